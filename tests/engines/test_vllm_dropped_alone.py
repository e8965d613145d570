"""Calls of a real vLLM that are dropped one at a time: whose tokens are whose.

With one call in the engine, its counters are that call's alone. What it generated and
we had not read when we left is what it needed to notice; it is small, and nobody pays.
An answer that had come to its end before the engine could be told shows nothing, and is
asked for again.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kit.contracts import CountedBy, EventStatus
from tests.engines.engine import Engine, EngineCounters
from tests.engines.events import MeteredCall, metered_calls, until
from tests.engines.server_process import ServerProcess
from tests.engines.vllm_facts import VllmFacts
from tests.engines.vllm_server import SERVED_MODEL
from tests.journeys.dropped_bills import settled
from tests.journeys.dropped_calls import Call, Done, perform_all
from tests.journeys.product import Product, running_product
from tests.standins.reading_proxy import Drop, Farewell, Moment

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

LEAVES_AFTER_PIECES = 30
LEAVES_AFTER_MS = 400
# As long as the context allows: whoever stalls, much of it is left to be stopped.
ANSWER_TOKENS = 4_000
# What a choice grows by mostly, from the last count that we read to the engine's last.
UNHEARD_TOKENS_MAX = ANSWER_TOKENS // 20
TRIES_MAX = 4


@dataclass(frozen=True)
class Alone:
    """One call, what was metered of it, and what the engine counted meanwhile."""

    done: Done
    event: MeteredCall
    counted: EngineCounters
    received: int
    prompt_tokens: int
    # Whether the engine's log says that it was.
    is_stopped: bool

    @property
    def is_cut(self) -> bool:
        """Tell whether the engine heard in time that the client had left."""
        asked = self.done.call.max_tokens * self.done.call.choices
        return (
            self.event.ended is EventStatus.CLIENT_GONE
            and self.is_stopped
            and self.counted.generation_tokens < asked
        )

    @property
    def unheard(self) -> int:
        """Return what it generated beyond what it had told us."""
        return self.counted.generation_tokens - self.event.generated_tokens

    def line(self) -> str:
        """Return it as a line of a table."""
        call, drop = self.done.call, self.done.call.drop
        kind = "stream" if call.is_streamed else "whole"
        how = drop.farewell.name if drop else "stayed"
        figures = (
            self.received,
            self.event.output_tokens,
            self.event.generated_tokens,
            self.counted.generation_tokens,
            self.unheard,
            self.event.prompt_tokens,
            self.counted.prompt_tokens,
        )
        name = f"{kind}, n={call.choices}, {how}"
        return f"{name:<20}" + "".join(f"{figure:>12,}" for figure in figures)


HEAD = ("received", "billed", "reported", "counted", "unheard", "prompt", "counted")


@pytest.fixture(scope="module")
def product(replicas: list[ServerProcess]) -> Iterator[Product]:
    """Provide a product before the first engine."""
    with running_product(
        engine_url=replicas[0].url, engine_model=SERVED_MODEL
    ) as product:
        yield product


@pytest.fixture(scope="module")
def alone(product: Product, replicas: list[ServerProcess]) -> list[Alone]:
    """Make the calls one after another, each with the engine to itself.

    One that never is cut is the last: those that follow would not be either.
    """
    engine = Engine(url=replicas[0].url, model=SERVED_MODEL)
    facts = VllmFacts(engine, log=replicas[0].log)
    alone: list[Alone] = []
    for call in _calls():
        alone.append(_make_cut(call, product, facts))
        if not alone[-1].is_cut:
            break
    return alone


def _calls() -> list[Call]:
    kinds = [
        (is_streamed, choices, farewell)
        for is_streamed in (True, False)
        for choices in (1, 2, 3)
        for farewell in Farewell
    ]
    return [
        Call(
            number,
            is_chat=True,
            is_streamed=is_streamed,
            choices=choices,
            usage_asked=True,
            max_tokens=ANSWER_TOKENS,
            drop=Drop(Moment.AT_PIECE, LEAVES_AFTER_PIECES, farewell)
            if is_streamed
            else Drop(Moment.BEFORE_HEAD, LEAVES_AFTER_MS, farewell),
        )
        for number, (is_streamed, choices, farewell) in enumerate(kinds)
    ]


def _make_cut(call: Call, product: Product, facts: VllmFacts) -> Alone:
    """Make a call until it is cut, or return the last try.

    On a machine that is busy elsewhere one of us may be late: the client, which leaves
    before it was admitted or after all was said, the gateway, or the engine.
    """
    last: Alone | None = None
    for _ in range(TRIES_MAX):
        made = asyncio.run(_make(call, product, facts))
        if made is not None and made.is_cut:
            return made
        last = made or last
    if last is None:
        pytest.fail(f"nobody heard of {call} in {TRIES_MAX} tries")
    return last


async def _make(call: Call, product: Product, facts: VllmFacts) -> Alone | None:
    """Make one call; None where nobody heard of it before its client had left."""
    until(facts.engine.is_idle)
    known, before = set(metered_calls(product)), facts.engine.counters()
    [done] = await perform_all(
        [call],
        base_url=product.base_url,
        api_key=product.api_key,
        model=product.model,
        engine=facts,
    )
    await settled(product)
    until(facts.engine.is_idle)
    events = metered_calls(product)
    new = events.keys() - known
    if not new:
        return None
    [request_id] = new
    return Alone(
        done,
        events[request_id],
        facts.engine.counters() - before,
        received=facts.tokens(done.reading.received),
        prompt_tokens=facts.prompt_tokens(call),
        is_stopped=request_id in facts.stopped(),
    )


def test_what_nobody_heard_of_is_what_the_engine_needed_to_notice(
    alone: list[Alone], capsys: pytest.CaptureFixture[str]
) -> None:
    """Received <= billed <= reported <= counted, and little between the last two."""
    with capsys.disabled():
        lines = [f"{'':<20}" + "".join(f"{name:>12}" for name in HEAD)]
        lines += [each.line() for each in alone]
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    for each in alone:
        if each.done.call.is_streamed:
            event = each.event
            assert each.received <= event.output_tokens <= event.generated_tokens
            assert each.unheard >= 0
    # A busy machine can keep an engine from noticing for a while, but not mostly.
    unheard = [
        each.unheard / each.done.call.choices
        for each in alone
        if each.done.call.is_streamed
    ]
    assert statistics.median(unheard) <= UNHEARD_TOKENS_MAX


def test_the_engine_was_stopped_each_time(alone: list[Alone]) -> None:
    """Each within a few tries; one that never was is the last of them."""
    for each in alone:
        assert each.is_cut, f"not stopped in {TRIES_MAX} tries: {each}"
    assert len(alone) == len(_calls())


def test_prompts_are_counted_once_per_choice_and_billed_once(
    alone: list[Alone],
) -> None:
    for each in alone:
        choices = each.done.call.choices
        assert each.event.prompt_tokens == each.prompt_tokens
        assert each.counted.prompt_tokens == each.prompt_tokens * choices


def test_of_a_whole_answer_that_nobody_took_only_the_prompt_is_billed(
    alone: list[Alone],
) -> None:
    """No usage was read, so the prompt was counted afterwards, by the engine."""
    whole = [each for each in alone if not each.done.call.is_streamed]
    assert whole
    for each in whole:
        assert each.event.witness is CountedBy.TOKENIZER
        assert each.event.output_tokens == 0
