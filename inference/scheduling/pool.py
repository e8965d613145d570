"""One pool of replicas: who waits for a place there, and what came of it.

Failure: none. Pure but for the futures that wake who waits. Owns: the lines.
"""

import asyncio
from collections.abc import Iterator

from inference.routing.fleet import Place
from inference.scheduling.accounts import Charge, Ticket
from inference.scheduling.fair_queue import FairQueue
from inference.scheduling.metrics import PoolMetrics
from inference.scheduling.refusals import DrainRate
from inference.scheduling.turns import Ask
from kit.errors import PlatformError


class Waiter:
    """A request that waits, until it has a place or hears that it gets none.

    One that moves from a replica that failed has no ticket: it was charged already. It
    is waking where none could be reached, and it waits for any of them to come up.
    """

    __slots__ = (
        "_woken",
        "ask",
        "charge",
        "deadline_s",
        "is_waking",
        "joined_s",
        "place",
        "refusal",
        "ticket",
    )

    def __init__(
        self, ask: Ask, ticket: Ticket | None, *, now_s: float, wait_ms: int
    ) -> None:
        self.ask, self.ticket = ask, ticket
        self.joined_s, self.deadline_s = now_s, now_s + wait_ms / 1000
        self.is_waking = False
        self.place: Place | None = None
        self.charge: Charge | None = None
        self.refusal: PlatformError | None = None
        self._woken: asyncio.Future[None] | None = None

    @property
    def is_decided(self) -> bool:
        """Tell whether it waits no more."""
        return self.place is not None or self.refusal is not None

    async def decided(self) -> None:
        """Wait until it is."""
        if not self.is_decided:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken

    def grant(self, place: Place, charge: Charge | None = None) -> None:
        """Give it a place."""
        self.place, self.charge = place, charge
        self._wake()

    def refuse(self, refusal: PlatformError) -> None:
        """Give it none."""
        self.refusal = refusal
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


class Pool:
    """The requests that wait for the same replicas."""

    def __init__(self, name: str, metrics: PoolMetrics, *, is_exchanged: bool) -> None:
        self.name = name
        self.metrics = metrics
        self.queue = FairQueue(is_exchanged=is_exchanged)
        self.drained = DrainRate()
        self._in_line: dict[Ticket, Waiter] = {}
        # Those that had a turn and lost their replica: they go first, in their order.
        self._moving: dict[Waiter, None] = {}

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        return self.queue.waiting + len(self._moving)

    @property
    def moving(self) -> list[Waiter]:
        """Return those that wait for another replica than the one that failed."""
        return list(self._moving)

    def join(self, ask: Ask, *, now_s: float, wait_ms: int) -> Waiter:
        """Put a request in line."""
        ticket = self.queue.join(ask)
        waiter = Waiter(ask, ticket, now_s=now_s, wait_ms=wait_ms)
        self._in_line[ticket] = waiter
        return waiter

    def join_moving(self, ask: Ask, *, now_s: float, wait_ms: int) -> Waiter:
        """Put one that had its turn before all others."""
        waiter = Waiter(ask, None, now_s=now_s, wait_ms=wait_ms)
        self._moving[waiter] = None
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Take one out that gets no place; idempotent."""
        if waiter.ticket is None:
            self._moving.pop(waiter, None)
        elif self._in_line.pop(waiter.ticket, None) is not None:
            self.queue.leave(waiter.ticket)

    def head(self) -> Waiter | None:
        """Return whose turn is next, of those that have had none."""
        ticket = self.queue.head()
        return None if ticket is None else self._in_line[ticket]

    def of(self, ticket: Ticket) -> Waiter:
        """Return who has a ticket."""
        return self._in_line[ticket]

    def serve(self, waiter: Waiter, place: Place, *, now_s: float) -> None:
        """Give the head a place, and charge it."""
        if waiter.ticket is None:
            del self._moving[waiter]
            waiter.grant(place)
        else:
            del self._in_line[waiter.ticket]
            waiter.grant(place, self.queue.serve(waiter.ticket))
        if waiter.is_waking:
            # It may be a vain try, which says nothing of how fast turns come.
            return
        self.drained.note(now_s)
        self.metrics.wait.observe(int((now_s - waiter.joined_s) * 1_000_000))

    def overdue(self, now_s: float) -> list[Waiter]:
        """Return who has waited for as long as it may."""
        return [each for each in self._all() if each.deadline_s <= now_s]

    def _all(self) -> Iterator[Waiter]:
        yield from self._in_line.values()
        yield from self._moving
