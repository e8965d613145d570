"""The replicas as they stand: what runs on each, and who can take one more request.

Load is the set of what runs, by request, so nothing can leak out of step: a place is
freed by whoever holds it, once, however its request ended. What others have sent to the
same engine comes on top, as its own gauges tell.

Failure: none. Owns: the live set. Health and shares are told by others.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from inference.routing.canary import preferred
from inference.routing.router import Candidate, RouteAsk, Router
from inference.routing.serving import Policy
from inference.routing.snapshot import ReplicaEntry, Snapshot


class Failure(Enum):
    """What a replica did wrong."""

    UNREACHABLE = auto()
    LOST = auto()
    SILENT = auto()
    # It began to answer before it was lost or silent.
    BROKE_OFF = auto()
    # It answers, and has too much to do: no sign of death.
    OVERLOADED = auto()
    # It answers that it failed, which may be the request's own doing.
    FAULT = auto()


class Health(Protocol):
    """Knows which replicas may be sent requests, and learns from how these went."""

    def may_take(self, replica: ReplicaEntry) -> bool:
        """Tell whether a replica may be sent a request now."""
        ...

    def is_up(self, replica: ReplicaEntry) -> bool:
        """Tell whether it is worth waiting for: it lives, though it may be busy."""
        ...

    def last_resort(
        self, replicas: Sequence[ReplicaEntry], *, among: Sequence[ReplicaEntry]
    ) -> ReplicaEntry | None:
        """Return which to try where none of all is well; None for none just now."""
        ...

    def began(self, replica: ReplicaEntry) -> None:
        """Learn that a request is sent to it."""
        ...

    def answered(self, replica: ReplicaEntry) -> None:
        """Learn that it has answered, be it with a refusal of the request itself."""
        ...

    def failed(
        self, replica: ReplicaEntry, failure: Failure, *, retry_after_s: float = 0.0
    ) -> None:
        """Learn what it did wrong; an overloaded one may say when to come again."""
        ...

    def foreign(self, replica: ReplicaEntry) -> int:
        """Return how many requests it has that are not this process's."""
        ...


class Shares(Protocol):
    """Knows how many slots of each replica this process may use."""

    def granted(self, replica: ReplicaEntry) -> int:
        """Return the number of requests that may run on it from here."""
        ...


class Standing(Enum):
    """Whether a model can be served now."""

    FREE = auto()
    # Every replica that is well has as much as it takes.
    FULL = auto()
    # Replicas are configured, and none of them is well.
    DOWN = auto()
    # There is none.
    NONE = auto()


@dataclass(slots=True, eq=False)
class Place:
    """A slot on a replica, held for one request."""

    replica: ReplicaEntry
    request_id: UUID
    route: RouteAsk
    _fleet: "Fleet"
    _is_held: bool = True

    def free(self) -> None:
        """Give it back; idempotent."""
        if self._is_held:
            self._is_held = False
            self._fleet.freed(self)

    def failed(self, failure: Failure, *, retry_after_s: float = 0.0) -> None:
        """Tell what the replica did wrong."""
        self._fleet.health.failed(self.replica, failure, retry_after_s=retry_after_s)

    def answered(self) -> None:
        """Tell that the replica has answered."""
        self._fleet.health.answered(self.replica)

    def told(self, *, prompt_tokens: int, cached_tokens: int) -> None:
        """Tell how much of the prompt the engine had in its cache."""
        self._fleet.router_of(self.route.model).answered(
            self.route,
            self.replica.id,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached_tokens,
        )


@dataclass(slots=True)
class Fleet:
    """All replicas, and the places on them."""

    snapshot: Snapshot
    health: Health
    shares: Shares
    routers: Mapping[Policy, Router]
    # Told the model whose replicas they are when a place is free again.
    on_free: Callable[[str], None] = lambda pool: None
    _live: dict[int, set[Place]] = field(default_factory=dict[int, set[Place]])

    def take(
        self,
        route: RouteAsk,
        request_id: UUID,
        *,
        without: Collection[int] = (),
        strictly: bool = False,
    ) -> Place | None:
        """Take a place on the best replica that has one; None where none has.

        Replicas in `without` are taken only where there is no other, or not at all.
        """
        replicas = self.snapshot.replicas_by_model.get(route.model, ())
        able = self._able(replicas, without)
        if not able and without and not strictly:
            able = self._able(replicas, ())
        if not able:
            return self._last_resort(route, request_id, without)
        replica = able[0] if len(able) == 1 else self._best(route, able)
        return self._place(route, replica, request_id)

    def standing(self, model: str, *, without: Collection[int] = ()) -> Standing:
        """Return whether a model can be served now; by others than these replicas."""
        replicas = self.snapshot.replicas_by_model.get(model, ())
        if not replicas:
            return Standing.NONE
        well = [
            each
            for each in replicas
            if each.id not in without and self.health.is_up(each)
        ]
        if not well:
            return Standing.DOWN
        is_free = any(self._free(each) > 0 for each in well)
        return Standing.FREE if is_free else Standing.FULL

    def forget(self, replica_id: int) -> None:
        """Let nobody believe that a replica still knows what it had computed."""
        for router in self.routers.values():
            router.forget(replica_id)

    def places(self, model: str) -> int:
        """Return how many more requests of a model could run now."""
        replicas = self.snapshot.replicas_by_model.get(model, ())
        return sum(
            max(0, self._free(each)) for each in replicas if self.health.may_take(each)
        )

    def running(self, replica_id: int) -> int:
        """Return how many requests of this process run on a replica."""
        return len(self._live.get(replica_id, ()))

    def router_of(self, model: str) -> Router:
        """Return the router of a model; of one that has gone meanwhile, any."""
        entry = self.snapshot.models.get(model)
        policy = entry.serving.policy if entry is not None else Policy.ROUND_ROBIN
        return self.routers[policy]

    def freed(self, place: Place) -> None:
        """Take a place out of the live set."""
        live = self._live[place.replica.id]
        live.remove(place)
        if not live:
            del self._live[place.replica.id]
        self.on_free(place.replica.model)

    def _place(self, route: RouteAsk, replica: ReplicaEntry, request_id: UUID) -> Place:
        # Where there is nothing to choose from, there is nothing to learn. First, so
        # that a policy that fails leaves no place behind.
        if len(self.snapshot.replicas_by_model.get(route.model, ())) > 1:
            self.router_of(route.model).sent(route, replica.id)
        place = Place(replica, request_id, route, self)
        self._live.setdefault(replica.id, set()).add(place)
        self.health.began(replica)
        return place

    def _last_resort(
        self, route: RouteAsk, request_id: UUID, without: Collection[int]
    ) -> Place | None:
        """Take a place where no replica is well, on the one that health would try."""
        replicas = self.snapshot.replicas_by_model.get(route.model, ())
        left = [
            each for each in replicas if each.id not in without and self._free(each) > 0
        ]
        if not left:
            return None
        replica = self.health.last_resort(replicas, among=left)
        return None if replica is None else self._place(route, replica, request_id)

    def _free(self, replica: ReplicaEntry) -> int:
        return self.shares.granted(replica) - self.running(replica.id)

    def _able(
        self, replicas: Sequence[ReplicaEntry], without: Collection[int]
    ) -> list[ReplicaEntry]:
        """Return which could take one more request now."""
        return [
            replica
            for replica in replicas
            if replica.id not in without
            and self._free(replica) > 0
            and self.health.may_take(replica)
        ]

    def _best(self, route: RouteAsk, able: Sequence[ReplicaEntry]) -> ReplicaEntry:
        """Return the one to send a request to, by the model's policy."""
        serving = self.snapshot.models[route.model].serving
        candidates = [Candidate(each, self._load(each)) for each in able]
        sided = preferred(route, candidates, permille=serving.canary_permille)
        return self.routers[serving.policy].order(route, sided)[0].replica

    def _load(self, replica: ReplicaEntry) -> float:
        own = self.running(replica.id)
        runs = own + self.health.foreign(replica)
        return runs * 100 / (replica.slots * replica.weight)
