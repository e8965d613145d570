"""Who waits for more of which leases, and whose turn it is.

Each tenant has a line of its own, for tenants share no lease: extensions come before
admissions, and the oldest first. The first in it who lacks of a lease is that lease's
head. Nobody behind gets any of that lease, nor of the head's other leases what it will
need: so nobody passes it, and a lease that is short holds up only those who need it.
Pure. Owns: the lines.
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from metering.intake.claims import Lease, Wish


@dataclass(slots=True)
class Line:
    """Those of one tenant who wait, in their order, and the leases they wait for."""

    wishes: list[Wish] = field(default_factory=list[Wish])
    leases: set[Lease] = field(default_factory=set[Lease])
    # Until then others are asked to ask first.
    yields_until_us: int = 0
    # Of how many leases somebody is the head.
    heads: int = 0

    @property
    def is_closed(self) -> bool:
        """Tell whether every lease has its head: nobody behind can be served."""
        return self.heads == len(self.leases)

    def begin(self) -> None:
        """Let everybody try again, from the first on."""
        self.heads = 0
        for lease in self.leases:
            lease.head, lease.reserved = None, 0

    def stand(self, wish: Wish) -> None:
        """Keep for a wish, the last so far to try, what nobody behind it may have.

        Behind a head it keeps nothing: its turn is yet to come.
        """
        parts = wish.claim.parts
        lacked = {part.lease for part in parts if wish.lacks(part)}
        if any(lease.head is not None for lease in lacked):
            return
        for lease in lacked:
            lease.head = wish
        for part in parts:
            if part.lease.head is None:
                part.lease.reserved += max(wish.least(part), 0)
        self.heads += len(lacked)


@dataclass(slots=True)
class Wishes:
    """All who wait in one process."""

    _lines: dict[int, Line] = field(default_factory=dict[int, Line])
    _count: int = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    def __iter__(self) -> Iterator[Wish]:
        """Yield all who wait, one line after the other."""
        for line in list(self._lines.values()):
            yield from list(line.wishes)

    @property
    def lines(self) -> list[Line]:
        """Return the lines in which somebody waits."""
        return list(self._lines.values())

    def line(self, tenant_id: int) -> Line | None:
        """Return a tenant's line, if somebody waits in it."""
        return self._lines.get(tenant_id)

    def add(self, wish: Wish) -> Line:
        """Put a wish at its place in its tenant's line."""
        line = self._lines.setdefault(wish.tenant_id, Line())
        insort(line.wishes, wish, key=lambda each: each.order)
        for part in wish.claim.parts:
            part.lease.waiting += 1
            line.leases.add(part.lease)
        wish.is_waiting = True
        self._count += 1
        return line

    def take_off(self, wish: Wish) -> bool:
        """Take a wish out of its line; tell whether it was the head of a lease."""
        line = self._lines[wish.tenant_id]
        line.wishes.remove(wish)
        wish.is_waiting = False
        self._count -= 1
        is_head = False
        for lease in {part.lease for part in wish.claim.parts}:
            is_head |= lease.head is wish
        for part in wish.claim.parts:
            lease = part.lease
            lease.waiting -= 1
            if not lease.waiting:
                line.heads -= lease.head is not None
                lease.head, lease.reserved = None, 0
                line.leases.discard(lease)
        if not line.wishes:
            del self._lines[wish.tenant_id]
        return is_head
