"""How many slots of each replica this process may use, and who else wants them."""

from typing import Protocol

from inference.routing.snapshot import ReplicaEntry
from inference.scheduling.fair_queue import Rank


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


class WholeShares:
    """All of them: no other process sends requests."""

    is_exchanged = False

    def granted(self, replica: ReplicaEntry) -> int:
        """Return the slots that the replica has."""
        return replica.slots

    def is_wanted_elsewhere(self, pool: str) -> bool:
        """Say no: there is no elsewhere."""
        return False

    def may_run(self, pool: str, rank: Rank, *, slack: float, places: int) -> bool:
        """Say yes."""
        return True

    def ran(self, pool: str) -> None:
        """Learn nothing."""

    def want(self, pool: str) -> None:
        """Learn nothing."""
