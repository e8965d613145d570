"""Which replica serves a request: a Protocol, and the plainest policy behind it."""

from collections.abc import Sequence
from itertools import count
from typing import Protocol

from inference.routing.snapshot import ReplicaEntry


class Router(Protocol):
    """Puts the replicas that may serve a request in the order in which to try them."""

    def order(self, replicas: Sequence[ReplicaEntry]) -> Sequence[ReplicaEntry]:
        """Return the replicas, best first; the others are for failover."""
        ...


class RoundRobin:
    """Each request starts at the next replica."""

    def __init__(self) -> None:
        self._turn = count()

    def order(self, replicas: Sequence[ReplicaEntry]) -> Sequence[ReplicaEntry]:
        """Rotate the replicas by one at each call."""
        if len(replicas) < 2:
            return replicas
        start = next(self._turn) % len(replicas)
        return [*replicas[start:], *replicas[:start]]
