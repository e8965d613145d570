"""What a request asks of the scheduler, and what it gets: a turn on a replica."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from inference.routing.fleet import Failure, Place
from inference.routing.router import RouteAsk
from inference.routing.serving import Priority, Serving
from inference.routing.snapshot import ReplicaEntry


@dataclass(slots=True)
class Ask:
    """One request that wants to run.

    Requests of one `pool` wait for the same replicas. `weight` is its tenant's share of
    them. Tokens are what it is expected to use at most.
    """

    request_id: UUID
    pool: str
    route: RouteAsk
    serving: Serving
    tenant_id: int
    weight: int
    priority: Priority
    input_tokens: int
    output_tokens: int
    # Replicas that have failed it: taken again only where there is no other.
    tried: set[int] = field(default_factory=set[int])
    # Until when it waits for a replica to come up; 0 where it has not had to.
    wakes_until_s: float = 0.0


class Turn(Protocol):
    """A request's leave to run on a replica; `end` is owed for it."""

    place: Place

    @property
    def replica(self) -> ReplicaEntry:
        """Return where it may run."""
        ...

    async def move(self, failure: Failure, *, retry_after_s: float = 0.0) -> bool:
        """Leave a replica that failed for another one; False where that is no use.

        The place is free from then on. It may not be of use because there is no other
        replica, none of them is well, or too much is being tried again already. What no
        replica could be reached for waits until one comes up, where the model says so.
        """
        ...

    def told(self, *, prompt_tokens: int, cached_tokens: int) -> None:
        """Pass on what the engine said of the prompt."""
        ...

    def free(self) -> None:
        """Free the place: the engine has said all. Idempotent."""
        ...

    def end(self, *, input_tokens: int, output_tokens: int) -> None:
        """Free the place, and count what was really used; idempotent."""
        ...


class Scheduler(Protocol):
    """Says whose turn it is."""

    def try_turn(self, ask: Ask) -> Turn | None:
        """Return a turn where none has to wait before it; None where it must wait."""
        ...

    async def turn(self, ask: Ask) -> Turn:
        """Return a turn once it comes.

        Raises `RateLimited` where the tenant has too much in line, `EngineOverloaded`
        where the model has, or where the turn does not come in time. Cancelling it
        leaves the line.
        """
        ...
