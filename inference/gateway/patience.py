"""What a connection waits for: a moment that is put off again and again, and room.

Both cost next to nothing where they are not met, which is nearly always. Never fail.
"""

import asyncio
from collections.abc import Callable


class Deadline:
    """One deadline that is often moved and seldom met.

    To move it costs an assignment: a timer that rings too early looks again later.
    """

    __slots__ = ("_loop", "_ring", "_rings_at", "_timer", "_when")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._when: float | None = None

    def within(self, seconds: float) -> None:
        """Ring in so many seconds, and not at what was set before."""
        when = self._when = self._loop.time() + seconds
        if self._timer is None:
            self._arm(when)
        elif when < self._rings_at:
            self._timer.cancel()
            self._arm(when)

    def put_off(self) -> None:
        """Ring no more, until it is set again."""
        self._when = None

    def close(self) -> None:
        """Ring never again."""
        self._when = None
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, when: float) -> None:
        self._rings_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._when is None:
            return
        if self._loop.time() < self._when:
            self._arm(self._when)
            return
        self._when = None
        self._ring()


class Writable:
    """Whether a transport with no buffer of its own has given all to the kernel."""

    __slots__ = ("_waiters", "has_emptied", "is_set")

    def __init__(self) -> None:
        self.is_set = True
        # Whether all was taken at the end of the last wait, or it ended otherwise.
        self.has_emptied = True
        self._waiters: list[asyncio.Future[None]] = []

    def clear(self) -> None:
        """Note that something is left."""
        self.is_set = self.has_emptied = False

    def set(self, *, has_emptied: bool) -> None:
        """Let who waits go on: all was taken, or nothing will be any more."""
        self.is_set = True
        self.has_emptied = self.has_emptied or has_emptied
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Return once it is set."""
        if self.is_set:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)
