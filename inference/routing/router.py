"""Which replica serves a request: what policies know, and the Protocol they follow.

A policy puts replicas that can take a request now in an order; it never decides whether
they can. Pure, but for what a policy learns. Each has a module of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from inference.routing.snapshot import ReplicaEntry
from kit.records import record


@dataclass(slots=True, eq=False)
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
    # What a policy made of it, for when it is told of the same request again.
    memo: object = field(default=None, init=False, repr=False)


@record(frozen=True, slots=True)
class Candidate:
    """A replica with a free slot, and its load.

    Of what it takes at once, how much runs or waits there, by whoever sent it, and by
    its weight: 0 is idle, 1 is full.
    """

    replica: ReplicaEntry
    load: float


class Router(Protocol):
    """Puts replicas in the order in which to prefer them, and learns from answers.

    One serves all models, and what it keeps of them is bounded.
    """

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
