"""Calls of a real vLLM that are dropped one at a time: whose tokens are whose.

With one call in the engine, its counters are that call's alone. What it generated and
we had not read when we left is what it needed to notice; it is small, and nobody pays.
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
from tests.journeys.dropped_calls import DROPPED_TOKENS, Call, Done, perform_all
from tests.journeys.product import Product, running_product
from tests.standins.reading_proxy import Drop, Farewell, Moment

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

LEAVES_AFTER_PIECES = 30
LEAVES_AFTER_MS = 400
# What a choice grows by mostly, from the last count that we read to the engine's last.
UNHEARD_TOKENS_MAX = 100
TRIES_MAX = 5


@dataclass(frozen=True)
class Alone:
    """One call, what was metered of it, and what the engine counted meanwhile."""

    done: Done
    event: MeteredCall
    counted: EngineCounters
    received: int
    prompt_tokens: int

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
    """Make the calls one after another, each with the engine to itself."""
    engine = Engine(url=replicas[0].url, model=SERVED_MODEL)
    facts = VllmFacts(engine, log=replicas[0].log)
    return [_make_cut(call, product, facts) for call in _calls()]


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
            max_tokens=DROPPED_TOKENS,
            drop=Drop(Moment.AT_PIECE, LEAVES_AFTER_PIECES, farewell)
            if is_streamed
            else Drop(Moment.BEFORE_HEAD, LEAVES_AFTER_MS, farewell),
        )
        for number, (is_streamed, choices, farewell) in enumerate(kinds)
    ]


def _make_cut(call: Call, product: Product, facts: VllmFacts) -> Alone:
    """Make a call until it is cut: a random model may end an answer by itself.

    One that ran to its full length was not: then nobody had heard the client leave.
    """
    for _ in range(TRIES_MAX):
        made = _make(call, product, facts)
        asked = call.max_tokens * call.choices
        ended_early = made.counted.generation_tokens < asked
        if made.event.ended is not EventStatus.OK or not ended_early:
            break
    return made


def _make(call: Call, product: Product, facts: VllmFacts) -> Alone:
    until(facts.engine.is_idle)
    known, before = set(metered_calls(product)), facts.engine.counters()
    [done] = asyncio.run(
        perform_all(
            [call],
            base_url=product.base_url,
            api_key=product.api_key,
            model=product.model,
            engine=facts,
        )
    )
    until(lambda: metered_calls(product).keys() - known)
    until(facts.engine.is_idle)
    events = metered_calls(product)
    [request_id] = events.keys() - known
    return Alone(
        done,
        events[request_id],
        facts.engine.counters() - before,
        received=facts.tokens(done.reading.received),
        prompt_tokens=facts.prompt_tokens(call),
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
    # A busy machine can keep one engine from noticing for a while, but not most.
    unheard = [
        each.unheard / each.done.call.choices
        for each in alone
        if each.done.call.is_streamed
    ]
    assert statistics.median(unheard) <= UNHEARD_TOKENS_MAX


def test_the_engine_was_stopped_each_time(alone: list[Alone]) -> None:
    for each in alone:
        assert each.done.abort_ms is not None
        assert each.event.ended is EventStatus.CLIENT_GONE
        asked = each.done.call.max_tokens * each.done.call.choices
        assert each.counted.generation_tokens < asked


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
