"""Generations on a loop whose clock is the test's: hours pass in no time.

Failure: an answer that would end its connection fails the test.
"""

import asyncio
import selectors
from collections.abc import Callable
from dataclasses import dataclass

from inference.engines.simulator.answers import Label
from inference.engines.simulator.delivering import StreamedGeneration, WholeGeneration
from inference.engines.simulator.engine import Engine
from inference.engines.simulator.generation import Generation
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


def order(*tokens: int, stream: bool = True, usage: bool = False) -> Order:
    """Return a chat of four prompt tokens with one choice per number of tokens."""
    choices = tuple(Choice(4, count, "length") for count in tokens)
    prompt = ("one", "two", "three", "four")
    return Order(True, stream, usage, False, 4, choices, (prompt,), None)


@dataclass
class Recorder:
    """A line that notes what is written, and when the answer is finished."""

    write: Callable[[bytes], None]
    finished: Callable[[], None]

    def cut(self) -> None:
        """Fail, because an honest answer does not end its connection."""
        raise AssertionError

    reset = cut


def generation(
    wanted: Order, behaviour: Behaviour, *, engine: Engine, line: Recorder
) -> Generation:
    """Return an honest generation that has not started."""
    kind = StreamedGeneration if wanted.stream else WholeGeneration
    label = Label("x", 0, "m")
    return kind(wanted, label, behaviour=behaviour, engine=engine, line=line)


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

        line = Recorder(write, lambda: done.set_result(None))
        engine = Engine(behaviour, started_at=0.0)
        generation(wanted, behaviour, engine=engine, line=line).start()
        await done

    try:
        loop.run_until_complete(generate())
    finally:
        loop.close()
    return writes
