"""How many slots of each replica this process may use."""

from inference.routing.snapshot import ReplicaEntry


class WholeShares:
    """All of them: no other process sends requests."""

    def granted(self, replica: ReplicaEntry) -> int:
        """Return the slots that the replica has."""
        return replica.slots
