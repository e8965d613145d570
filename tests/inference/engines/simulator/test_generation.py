"""Pacing, on a loop whose clock is the test's: to the millisecond."""

import asyncio
import selectors
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.answers import Label
from inference.engines.simulator.delivering import StreamedGeneration, WholeGeneration
from inference.engines.simulator.engine import Engine
from inference.engines.simulator.requests import Choice, Order
from inference.engines.simulator.settings import Behaviour


class VirtualSelector(selectors.DefaultSelector):
    """Waits for nothing: the time that would be waited is added to the clock."""

    waited_s = 0.0

    def select(self, timeout: float | None = None) -> list[object]:  # type: ignore[override]
        """Let `timeout` pass."""
        self.waited_s += timeout or 0.0
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that takes no time."""

    def __init__(self) -> None:
        """Start at zero."""
        self.virtual = VirtualSelector()
        super().__init__(self.virtual)

    def time(self) -> float:
        """Return what has been waited so far."""
        return self.virtual.waited_s


def order(*tokens: int, stream: bool = True) -> Order:
    """Return a chat with one choice per number of tokens."""
    choices = tuple(Choice(4, count, "length") for count in tokens)
    prompt = ("one", "two", "three", "four")
    return Order(True, stream, False, False, 4, choices, (prompt,), None)


@dataclass
class Recorder:
    """A line that notes what is written, and when the answer is finished."""

    write: Callable[[bytes], None]
    finished: Callable[[], None]

    def cut(self) -> None:
        """Fail, because an honest answer does not end its connection."""
        raise AssertionError

    reset = cut


def written_at(
    wanted: Order,
    behaviour: Behaviour,
    *,
    stall: Callable[[VirtualLoop, int], None] = lambda loop, number: None,
) -> list[tuple[int, bytes]]:
    """Run one answer; return what was written, and at which millisecond.

    `stall` is called with the number of each write, and may let time pass.
    """
    loop = VirtualLoop()
    writes: list[tuple[int, bytes]] = []

    async def generate() -> None:
        done = loop.create_future()

        def write(data: bytes) -> None:
            writes.append((round(loop.time() * 1000), data))
            stall(loop, len(writes))

        kind = StreamedGeneration if wanted.stream else WholeGeneration
        kind(
            wanted,
            Label("x", 0, "m"),
            behaviour=behaviour,
            engine=Engine(behaviour, started_at=0.0),
            line=Recorder(write, lambda: done.set_result(None)),
        ).start()
        await done

    try:
        loop.run_until_complete(generate())
    finally:
        loop.close()
    return writes


def token_times(writes: list[tuple[int, bytes]]) -> list[int]:
    """Return the times of the token events."""
    return [at for at, data in writes if b'"content":" t' in data]


@given(st.integers(0, 500), st.integers(0, 50), st.integers(1, 60))
def test_tokens_are_due_at_absolute_times(first: int, pause: int, count: int) -> None:
    behaviour = Behaviour(first_token_ms=first, inter_token_ms=pause)
    writes = written_at(order(count), behaviour)
    assert writes[0][0] == 0
    assert token_times(writes) == [first + pause * number for number in range(count)]


def test_a_late_loop_catches_up() -> None:
    def stall(loop: VirtualLoop, number: int) -> None:
        # The head and the role are writes one and two: this is the third token.
        if number == 5:
            loop.virtual.waited_s += 0.055

    behaviour = Behaviour(first_token_ms=10, inter_token_ms=10)
    times = token_times(written_at(order(12), behaviour, stall=stall))
    assert times == [10, 20, 30, 85, 85, 85, 85, 85, 90, 100, 110, 120]


def test_each_token_is_one_write() -> None:
    writes = written_at(order(5), Behaviour())
    assert [data.count(b"data: ") for _, data in writes] == [0, 1, 1, 1, 1, 1, 1, 1, 1]


def test_choices_advance_together_and_end_apart() -> None:
    writes = written_at(order(3, 1, 2), Behaviour(inter_token_ms=10))
    assert token_times(writes) == [0, 0, 0, 10, 10, 20]
    finishes = [
        (at, data) for at, data in writes if b'"finish_reason":"length"' in data
    ]
    assert [at for at, _ in finishes] == [0, 10, 20]
    for index, (_, data) in zip((1, 2, 0), finishes, strict=True):
        assert b'"index":%d' % index in data


def test_an_unstreamed_answer_takes_as_long_as_a_streamed_one() -> None:
    behaviour = Behaviour(first_token_ms=30, inter_token_ms=10)
    (written,) = written_at(order(5, stream=False), behaviour)
    assert written[0] == 30 + 4 * 10
    (written,) = written_at(order(5, stream=False), Behaviour(first_token_ms=30))
    assert written[0] == 30
