"""Three hundred calls of a real vLLM, a third of them dropped, and all its tokens.

Each bill lies between what the client had and that with what lay in the sockets; vLLM
stops what nobody waits for. Then its own counters are explained to the last token they
allow: what was billed, what we saw and did not hand over, and what it still generated
until it noticed, which is bounded.

On a machine that is busy elsewhere an answer may have ended before its client has left,
or before the engine could be told. That call shows nothing of stopping: it is judged
like any other, and a call of its kind is made again. So is one that was refused because
its bill could not be written in time, and that costs nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from kit.contracts import CountedBy
from tests.engines.engine import Engine, EngineCounters
from tests.engines.events import until
from tests.engines.server_process import ServerProcess
from tests.engines.vllm_facts import VllmFacts
from tests.engines.vllm_server import SERVED_MODEL
from tests.journeys.dropped_bills import (
    Judged,
    billed_requests,
    judge,
    settled,
    table,
)
from tests.journeys.dropped_calls import (
    NOT_STOPPED,
    REFUSED,
    Call,
    Done,
    perform_all,
    random_calls,
)
from tests.journeys.product import Product, running_product
from tests.standins.reading_proxy import Moment

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

CALLS = 300
SEED = 20_261_121
# Few at once: a stream whose turn to leave is long in coming is not read meanwhile.
AT_ONCE = 6
BEGINS_AFTER_MS = 400
# As long as the context allows beside the longest prompt.
ANSWER_TOKENS = 2_600
# So many of those that were to be stopped may be late, so often. There are more whole
# answers among them, so that it shows if those alone are never stopped.
LATE_MAX = 12
ROUNDS_MAX = 4
# What a choice of a stream may still grow by, the time that it took apart.
UNHEARD_TOKENS_MAX = 60


@dataclass(frozen=True)
class Account:
    """The engine's counters, and every part of them that can be named."""

    counted: EngineCounters
    judged: list[Judged]
    facts: VllmFacts

    @property
    def cut(self) -> list[Done]:
        """Return the calls of which nobody may have heard all that the engine said."""
        return [
            each.done
            for each in self.judged
            if not each.done.is_read_to_the_end or each.done.is_refused
        ]

    @property
    def billed_output(self) -> int:
        """Return what was billed: handed over, and no more."""
        return sum(each.billed.output_tokens for each in self.judged if each.billed)

    @property
    def withheld_output(self) -> int:
        """Return what the engine had reported, and no client got."""
        return sum(
            each.billed.generated_tokens - each.billed.output_tokens
            for each in self.judged
            if each.billed
        )

    @property
    def unheard_output(self) -> int:
        """Return what it generated and nobody heard of: all that is left."""
        seen = self.billed_output + self.withheld_output
        return self.counted.generation_tokens - seen

    @property
    def unheard_output_max(self) -> int:
        """Return the most that the calls which were cut explain."""
        return sum(done.call.choices * self._unheard_max(done) for done in self.cut)

    def _unheard_max(self, done: Done) -> int:
        # Of a whole answer nobody hears anything before its end.
        if not done.call.is_streamed or done.abort_ms is None:
            return done.call.max_tokens
        meanwhile = int(done.abort_ms / 1000 * self.facts.tokens_per_s_max)
        return min(UNHEARD_TOKENS_MAX + meanwhile, done.call.max_tokens)

    @property
    def prompts_of_choices(self) -> tuple[int, int]:
        """Return the least and the most that its prompt counter may have grown.

        It counts a prompt once per choice, and one that was stopped before it was
        looked at not at all; a choice of which a token came was looked at.
        """
        least = most = 0
        for each in self.judged:
            done, tokens = each.done, self.facts.prompt_tokens(each.done.call)
            choices = done.call.choices
            most += tokens * choices
            begun = len(done.reading.received.running)
            is_whole = done.is_read_to_the_end and not done.is_refused
            least += tokens * (choices if is_whole else begun)
        return least, most

    @property
    def billed_prompts(self) -> int:
        """Return what was billed: each prompt once."""
        return sum(each.billed.prompt_tokens for each in self.judged if each.billed)

    def lines(self) -> Iterator[str]:
        """Yield the account as a table."""
        least, most = self.prompts_of_choices
        for name, tokens in (
            ("vllm:generation_tokens_total", self.counted.generation_tokens),
            ("  billed: handed over", self.billed_output),
            ("  reported, not handed over", self.withheld_output),
            ("  generated until it noticed", self.unheard_output),
            ("    at most, by the calls cut", self.unheard_output_max),
            ("vllm:prompt_tokens_total", self.counted.prompt_tokens),
            ("  once per choice, at least", least),
            ("  once per choice, at most", most),
            ("  billed: once per request", self.billed_prompts),
        ):
            yield f"{name:<34}{tokens:>13,}"


@dataclass(frozen=True)
class Run:
    """What became of each call, and the account of the engine's tokens."""

    outcomes: list[Done]
    account: Account
    figures: str
    # Of those that were to be stopped: those that were.
    stopped: list[Judged]
    # Of the last that were made: those that were to be stopped or answered, and not.
    late: list[Judged]


@pytest.fixture(scope="module")
def product(replicas: list[ServerProcess]) -> Iterator[Product]:
    """Provide a product of two gateways before the first engine."""
    with running_product(
        engine_url=replicas[0].url, engine_model=SERVED_MODEL, env={"GATEWAYS": "2"}
    ) as product:
        yield product


@pytest.fixture(scope="module")
def run(product: Product, replicas: list[ServerProcess]) -> Run:
    """Make the calls, wait until all is settled, and judge every bill."""
    engine = Engine(url=replicas[0].url, model=SERVED_MODEL)
    return asyncio.run(_run(product, VllmFacts(engine, log=replicas[0].log)))


async def _run(product: Product, facts: VllmFacts) -> Run:
    until(facts.engine.is_idle)
    before = facts.engine.counters()
    outcomes: list[Done] = []
    calls = _calls()
    for _ in range(ROUNDS_MAX):
        outcomes += await _make_all(calls, product, facts)
        judged = judge(outcomes, billed_requests(product), facts)
        stopped, late = _were_stopped(judged, facts)
        latest = {call.number for call in calls}
        late += [each for each in judged if each.done.is_refused]
        late = [each for each in late if each.done.call.number in latest]
        if not late or len(late) > LATE_MAX:
            break
        # Under numbers of their own: each is told by the length of its prompt.
        calls = [
            replace(each.done.call, number=number)
            for number, each in enumerate(late, start=len(outcomes))
        ]
    account = Account(facts.engine.counters() - before, judged, facts)
    again = f"\nmade again: {len(outcomes) - CALLS}"
    figures = "\n".join((table(judged, facts), again, "", *account.lines()))
    return Run(outcomes, account, figures, stopped, late)


async def _make_all(
    calls: Sequence[Call], product: Product, facts: VllmFacts
) -> list[Done]:
    """Make the calls, few at once, and return once all is settled."""
    outcomes: list[Done] = []
    for start in range(0, len(calls), AT_ONCE):
        outcomes += await perform_all(
            calls[start : start + AT_ONCE],
            base_url=product.base_url,
            api_key=product.api_key,
            model=product.model,
            engine=facts,
        )
        # What was not stopped goes on for many seconds, and slows the others down.
        until(facts.engine.is_idle)
    await settled(product)
    return outcomes


def _were_stopped(
    judged: Sequence[Judged], facts: VllmFacts
) -> tuple[list[Judged], list[Judged]]:
    """Part the calls that were to be stopped into those that were, and the late."""
    to_stop = [
        each
        for each in judged
        if (drop := each.done.call.drop) is not None
        and drop.moment is not Moment.AFTER_DONE
        and each.done.call.is_long
        and not each.done.is_refused
    ]
    ids = facts.stopped()
    stopped = [each for each in to_stop if each.request_id in ids]
    return stopped, [each for each in to_stop if each.request_id not in ids]


def _calls() -> list[Call]:
    """Return the calls; those that leave do so while the engine is at work on them.

    vLLM waits for no reader: of an answer that is read slowly it would have said all
    by the time the reader leaves. And it takes a while to begin: of a request that is
    gone by then it never says that it was stopped.
    """
    return [_while_at_work(call) for call in random_calls(CALLS, seed=SEED)]


def _while_at_work(call: Call) -> Call:
    drop = call.drop
    if drop is None:
        return call
    if drop.moment is Moment.BEFORE_HEAD:
        drop = replace(drop, after=drop.after + BEGINS_AFTER_MS)
    tokens = ANSWER_TOKENS if call.is_long else call.max_tokens
    return replace(call, drop=drop, max_tokens=tokens, habits=None)


def test_every_bill_is_within_what_was_received_and_what_lay_in_the_sockets(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{run.figures}\n")
    faults = [
        f"{each.done.call}: {fault}"
        for each in run.account.judged
        for fault in each.faults
        if fault not in {NOT_STOPPED, REFUSED}
    ]
    assert not faults, "\n".join(faults)


def test_a_third_was_dropped(run: Run) -> None:
    drops = [done for done in run.outcomes if done.call.drop is not None]
    assert len([done for done in drops if done.call.number < CALLS]) == CALLS // 3
    assert all(
        done.reading.received.is_complete
        for done in run.outcomes
        if done.call.drop is None
    )


def test_what_was_read_to_the_end_is_what_the_engine_reported(run: Run) -> None:
    for each in run.account.judged:
        is_whole = each.done.is_read_to_the_end and not each.done.is_refused
        if is_whole and each.billed is not None:
            assert each.billed.counted_by is CountedBy.ENGINE
            assert each.billed.generated_tokens == each.billed.output_tokens


def test_every_token_that_the_engine_generated_is_explained(run: Run) -> None:
    """None was billed that it did not generate, and few went unheard."""
    assert 0 <= run.account.unheard_output <= run.account.unheard_output_max


def test_every_prompt_that_the_engine_counted_is_explained(run: Run) -> None:
    least, most = run.account.prompts_of_choices
    assert least <= run.account.counted.prompt_tokens <= most


def test_the_engine_stopped_what_nobody_waited_for(run: Run) -> None:
    """Every kind of call that was to be stopped was, if not the first time."""
    late = "\n".join(
        f"{each.done.call}: status {each.done.reading.received.status}, {each.faults}"
        for each in run.late
    )
    assert not run.late, f"{len(run.late)} were not stopped or answered:\n{late}"
    assert len(run.stopped) > CALLS // 6
