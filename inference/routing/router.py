"""Which replica serves a request: what policies know, and the Protocol they follow.

A policy puts replicas that can take a request now in an order; it never decides whether
they can. Pure, but for what a policy learns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from inference.routing.snapshot import ReplicaEntry


@dataclass(frozen=True, slots=True)
class RouteAsk:
    """What a policy may know of a request.

    Affinity is to what engines cache by: the adapter and the tenant's salt. `session`
    is what the client calls its conversation, empty where it does not. `prompt` returns
    the prompt's text in the order in which engines read it, and is asked only where it
    matters.
    """

    model: str
    adapter: str
    cache_salt: str
    tenant_id: int
    session: str
    prompt: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A replica with a free slot, and its load.

    Of what it takes at once, how much runs or waits there, by whoever sent it, and by
    its weight: 0 is idle, 1 is full.
    """

    replica: ReplicaEntry
    load: float


class Router(Protocol):
    """Puts replicas in the order in which to prefer them, and learns from answers."""

    def order(
        self, ask: RouteAsk, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Return the candidates, best first."""
        ...

    def sent(self, ask: RouteAsk, replica_id: int) -> None:
        """Learn that a replica computes this prompt now."""
        ...

    def answered(
        self, ask: RouteAsk, replica_id: int, *, prompt_tokens: int, cached_tokens: int
    ) -> None:
        """Learn how much of the prompt the engine found in its cache."""
        ...

    def forget(self, replica_id: int) -> None:
        """Learn that a replica has started anew: its cache is empty."""
        ...


class RoundRobin:
    """Each request starts at the next replica."""

    def __init__(self) -> None:
        self._turn = count()

    def order(
        self, ask: RouteAsk, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Rotate the candidates by one at each call."""
        if len(candidates) < 2:
            return candidates
        start = next(self._turn) % len(candidates)
        return [*candidates[start:], *candidates[:start]]

    def sent(self, ask: RouteAsk, replica_id: int) -> None:
        """Learn nothing."""

    def answered(
        self, ask: RouteAsk, replica_id: int, *, prompt_tokens: int, cached_tokens: int
    ) -> None:
        """Learn nothing."""

    def forget(self, replica_id: int) -> None:
        """Learn nothing."""
