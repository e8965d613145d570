"""Sequences that wait for a place: to the millisecond, and in every mixture."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.engine import Engine
from inference.engines.simulator.generation import Generation
from inference.engines.simulator.requests import Order
from inference.engines.simulator.settings import Behaviour
from tests.inference.engines.simulator.spoilt import Ending, Stream, stream_of
from tests.inference.engines.simulator.virtual import (
    Recorder,
    VirtualLoop,
    generation,
    order,
)

ORDERS = st.lists(
    st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.booleans()),
    min_size=1,
    max_size=8,
)


@dataclass
class Call:
    """One request of a run: what was written when, and when it was finished."""

    wanted: Order
    writes: list[tuple[int, bytes]] = field(default_factory=list)
    finished_at: int | None = None

    @property
    def stream(self) -> Stream:
        """What a client would have read."""
        return stream_of(Ending(b"".join(data for _, data in self.writes), "open"))


class Run:
    """Several requests at one engine, on a clock of their own."""

    def __init__(self, behaviour: Behaviour) -> None:
        """Start with an idle engine."""
        self.loop = VirtualLoop()
        self.behaviour = behaviour
        self.engine = Engine(behaviour, started_at=0.0)
        self.most_running = 0
        self.calls: list[Call] = []
        self.generations: list[Generation] = []

    def start(self, wanted: Order) -> Call:
        """Start a request now."""
        call = Call(wanted)

        def write(data: bytes) -> None:
            call.writes.append((self.now_ms, data))
            running = self.engine.counters.running_sequences
            self.most_running = max(self.most_running, running)

        def finished() -> None:
            assert call.finished_at is None
            call.finished_at = self.now_ms

        made = generation(
            wanted, self.behaviour, engine=self.engine, line=Recorder(write, finished)
        )
        self.calls.append(call)
        self.generations.append(made)
        made.start()
        return call

    def started(self, *orders: Order) -> list[Call]:
        """Start these requests at once, and let everything end."""

        async def everything() -> None:
            for wanted in orders:
                self.start(wanted)
            await self.pass_time(60_000)

        self.run(everything())
        return self.calls

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run `main` on the virtual clock."""
        try:
            self.loop.run_until_complete(main)
        finally:
            self.loop.close()

    async def pass_time(self, milliseconds: int) -> None:
        """Let so much virtual time pass."""
        later = self.loop.create_future()
        self.loop.call_later(milliseconds / 1000, later.set_result, None)
        await later

    @property
    def now_ms(self) -> int:
        """The virtual time."""
        return round(self.loop.time() * 1000)


@given(ORDERS, st.integers(0, 4), st.sampled_from([0, 3]), st.booleans())
def test_every_mixture_is_served_whole_and_never_too_much_at_once(
    mixture: list[tuple[list[int], bool]], places: int, pause: int, with_text: bool
) -> None:
    behaviour = Behaviour(
        sequences_max=places, inter_token_ms=pause, finish_with_text=with_text
    )
    run = Run(behaviour)
    calls = run.started(
        *(order(*tokens, stream=stream, usage=True) for tokens, stream in mixture)
    )
    total = 0
    for call, (tokens, stream) in zip(calls, mixture, strict=True):
        assert call.finished_at is not None
        total += sum(tokens)
        if not stream:
            ((_, answer),) = call.writes
            assert b'"completion_tokens":%d,' % sum(tokens) in answer
            continue
        received = call.stream
        assert (received.done, received.whole) == (True, True)
        assert [received.delivered(index) for index in range(len(tokens))] == tokens
        assert received.usages[-1]["completion_tokens"] == sum(tokens)
    counters = run.engine.counters
    assert counters.generation_tokens == total
    assert counters.prompt_tokens == 4 * len(mixture)
    assert counters.prefilled_tokens == 4 * sum(len(tokens) for tokens, _ in mixture)
    assert counters.finished["length"] == sum(len(tokens) for tokens, _ in mixture)
    assert counters.running_requests == 0
    assert counters.running_sequences == counters.waiting_sequences == 0
    if places:
        assert run.most_running <= places


def test_who_waits_starts_when_a_place_is_free() -> None:
    behaviour = Behaviour(sequences_max=1, first_token_ms=5, inter_token_ms=10)
    first, second = Run(behaviour).started(order(3), order(2))
    # The head does not wait. 5 + 2 * 10 until the first one ends, 5 more, and 10.
    assert second.writes[0][0] == 0
    assert first.finished_at == 25
    assert [at for at, data in second.writes if b'":" t' in data] == [30, 40]


def test_a_choice_that_waited_joins_the_others_step() -> None:
    behaviour = Behaviour(sequences_max=2, inter_token_ms=10)
    (call,) = Run(behaviour).started(order(2, 6, 2))
    at = [
        [at for at, data in call.writes if b'":" t' in data and index in data]
        for index in (b'"index":0', b'"index":1', b'"index":2')
    ]
    assert at == [[0, 10], [0, 10, 20, 30, 40, 50], [20, 30]]


def test_running_usage_of_a_choice_that_waited_counts_from_its_own_start() -> None:
    wanted = order(2, 2, usage=True)
    wanted = Order(
        True, True, True, True, 4, wanted.choices, wanted.prompts, wanted.cache_salt
    )
    (call,) = Run(Behaviour(sequences_max=1)).started(wanted)
    counts = [
        event["usage"]["completion_tokens"]
        for event in call.stream.events
        if event["choices"] and event["choices"][0]["index"] == 1
    ]
    assert counts == [0, 1, 2, 2]


def test_who_leaves_while_waiting_is_dropped_and_the_next_one_served() -> None:
    run = Run(Behaviour(sequences_max=1, inter_token_ms=10))

    async def leave() -> None:
        first, second, third = (run.start(order(3)) for _ in range(3))
        assert run.engine.counters.waiting_sequences == 2
        await run.pass_time(5)
        run.generations[1].abort()
        assert run.engine.counters.waiting_sequences == 1
        await run.pass_time(1000)
        assert first.finished_at == 20
        assert second.finished_at is None
        assert len(second.writes) == 1
        assert third.finished_at == 40

    run.run(leave())
    counters = run.engine.counters
    assert (counters.aborted, counters.prompt_tokens) == (1, 8)
    assert counters.running_sequences == counters.running_requests == 0


def test_who_leaves_between_its_turn_and_its_start_gives_the_place_on() -> None:
    run = Run(Behaviour(sequences_max=1, first_token_ms=50))

    async def leave() -> None:
        last = [run.start(order(1, stream=False)) for _ in range(3)][-1]
        await run.pass_time(60)
        run.generations[1].abort()
        await run.pass_time(1000)
        assert last.finished_at == 110

    run.run(leave())
    assert run.engine.counters.running_sequences == 0


def test_more_places_let_the_next_ones_in_at_once() -> None:
    run = Run(Behaviour(sequences_max=1, inter_token_ms=10))

    async def grow() -> None:
        calls = [run.start(order(3, stream=False)) for _ in range(3)]
        await run.pass_time(5)
        run.engine.follow(Behaviour(sequences_max=2))
        await run.pass_time(1000)
        assert [call.finished_at for call in calls] == [20, 25, 40]

    run.run(grow())


def test_stopping_ends_who_waits_with_nothing_made() -> None:
    run = Run(Behaviour(sequences_max=1, inter_token_ms=10))

    async def stop() -> None:
        run.start(order(9, 9, usage=True))
        await run.pass_time(15)
        run.generations[0].interrupt()

    run.run(stop())
    stream = run.calls[0].stream
    assert (stream.done, stream.finish_reasons) == (True, ["abort", "abort"])
    assert stream.usages[-1]["completion_tokens"] == 2
    counters = run.engine.counters
    assert (counters.prompt_tokens, counters.prefilled_tokens) == (4, 8)
    assert counters.running_sequences == counters.waiting_sequences == 0


def test_a_prompt_takes_its_time_and_a_cached_one_less() -> None:
    run = Run(
        Behaviour(first_token_ms=3, prefill_us_per_token=1000, prefix_cache_blocks=10)
    )
    wanted = order(1, stream=False)
    prompt = tuple(f"w{number}" for number in range(40))
    wanted = Order(
        True, False, True, False, 40, wanted.choices, (prompt,), wanted.cache_salt
    )

    async def ask_twice() -> None:
        first = run.start(wanted)
        await run.pass_time(100)
        second = run.start(wanted)
        await run.pass_time(100)
        assert first.finished_at == 3 + 40
        assert second.finished_at == 100 + 3 + 40 - 32

    run.run(ask_twice())
