"""How many slots of each replica this process may use, and who else wants them.

Failure: none. Owns: nothing; where processes share by a store, `leases.py` does.
"""

from collections.abc import Callable
from typing import Protocol

from inference.routing.fleet import Fleet
from inference.routing.snapshot import ReplicaEntry
from inference.scheduling.fair_queue import Rank
from inference.scheduling.pool import Pool


class Lines(Protocol):
    """What a scheduler shows of who waits here."""

    pools: dict[str, Pool]

    def dispatch(self, name: str) -> None:
        """Hand out the places of a pool that are free."""
        ...


class Sharing(Protocol):
    """Knows how many slots of each replica this process may use.

    It is the fleet's `Shares`, and what the scheduler asks besides.
    """

    @property
    def is_exchanged(self) -> bool:
        """Tell whether other processes serve the same tenants."""
        ...

    def granted(self, replica: ReplicaEntry) -> int:
        """Return the number of requests that may run on it from here."""
        ...

    def is_wanted_elsewhere(self, pool: str) -> bool:
        """Tell whether requests wait for a pool in other processes."""
        ...

    def may_run(self, pool: str, rank: Rank, *, slack: float, places: int) -> bool:
        """Tell whether one of so many free places is for a request of this rank."""
        ...

    def ran(self, pool: str) -> None:
        """Learn that a place was taken by one who waited."""
        ...

    def want(self, pool: str) -> None:
        """Learn that a pool has changed in a way that the others should hear of."""
        ...

    async def run(self, lines: Lines, fleet: Fleet) -> None:
        """Share with other processes until cancelled."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


def _one() -> int:
    return 1


class WholeShares:
    """As many of them as there are, evenly by process; mostly there is one.

    Processes that cannot talk to each other have no better way.
    """

    is_exchanged = False

    def __init__(self, *, processes: Callable[[], int] = _one) -> None:
        self._processes = processes

    def granted(self, replica: ReplicaEntry) -> int:
        """Return this process's part of the slots, at least one."""
        processes = self._processes()
        if processes <= 1:
            return replica.slots
        return max(1, replica.slots // processes)

    def is_wanted_elsewhere(self, pool: str) -> bool:
        """Say no: nobody tells."""
        return False

    def may_run(self, pool: str, rank: Rank, *, slack: float, places: int) -> bool:
        """Say yes."""
        return True

    def ran(self, pool: str) -> None:
        """Learn nothing."""

    def want(self, pool: str) -> None:
        """Learn nothing."""

    async def run(self, lines: Lines, fleet: Fleet) -> None:
        """Have nothing to do."""

    async def close(self) -> None:
        """Have nothing to let go of."""
