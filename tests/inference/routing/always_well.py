"""Health that knows of no trouble, for tests of what stands beside it."""

from collections.abc import Sequence

from inference.routing.fleet import Failure
from inference.routing.snapshot import ReplicaEntry


class AlwaysWell:
    """Takes every replica for well, and learns nothing."""

    def may_take(self, replica: ReplicaEntry) -> bool:
        """Say yes."""
        return True

    def is_up(self, replica: ReplicaEntry) -> bool:
        """Say yes."""
        return True

    def last_resort(
        self, replicas: Sequence[ReplicaEntry], *, among: Sequence[ReplicaEntry]
    ) -> ReplicaEntry | None:
        """Offer none: all of them are well."""
        return None

    def began(self, replica: ReplicaEntry) -> None:
        """Learn nothing."""

    def answered(self, replica: ReplicaEntry) -> None:
        """Learn nothing."""

    def failed(
        self, replica: ReplicaEntry, failure: Failure, *, retry_after_s: float = 0.0
    ) -> None:
        """Learn nothing."""

    def foreign(self, replica: ReplicaEntry) -> int:
        """Know of none."""
        return 0
