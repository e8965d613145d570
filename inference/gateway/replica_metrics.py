"""How the replicas are, for the page of metrics; those that drain until they are away.

Replicas are operators' rows, and few; should there be many, those beyond a bound have
no series of their own. Owns: nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from inference.engines.client import EnginePool
from inference.gateway.attempt import Attempts
from inference.gateway.metrics import Family
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.snapshot import ReplicaEntry, Snapshot

REPLICAS_MAX = 500


@dataclass(frozen=True, slots=True)
class ReplicaMetrics:
    """Reads the families of all that is known of replicas."""

    snapshot: Snapshot
    fleet: Fleet
    health: ReplicaHealth
    attempts: Attempts
    pool: EnginePool

    def families(self) -> Sequence[Family]:
        """Return them."""
        return (
            Family(
                "tollgate_replica_up",
                "Whether a replica may be sent requests.",
                "replica",
                self._each(lambda each: each.active and self.health.may_take(each)),
            ),
            Family(
                "tollgate_replica_breaker",
                "A replica's breaker: 0 closed, 1 tried by one request, 2 open.",
                "replica",
                self._each(lambda each: self.health.state(each.id)),
            ),
            Family(
                "tollgate_replica_requests",
                "Requests that run on a replica from this process.",
                "replica",
                self._each(lambda each: self.fleet.running(each.id)),
            ),
            Family(
                "tollgate_replica_foreign_requests",
                "Requests that a replica has from others, as its gauges told.",
                "replica",
                self._each(self.health.foreign),
            ),
            Family(
                "tollgate_retries",
                "Requests that were tried on another replica, by what went wrong.",
                "reason",
                lambda: {
                    failure.name.lower(): count
                    for failure, count in self.attempts.retries.items()
                },
                is_counter=True,
            ),
            Family(
                "tollgate_engine_deadlines",
                "Deadlines that engines have missed.",
                "deadline",
                lambda: {str(each): count for each, count in self.pool.missed.items()},
                is_counter=True,
            ),
        )

    def _each(
        self, read: Callable[[ReplicaEntry], float]
    ) -> Callable[[], Mapping[str, float]]:
        def read_all() -> Mapping[str, float]:
            return {
                f"{each.model}/{each.name}": float(read(each))
                for each in islice(self.snapshot.replicas.values(), REPLICAS_MAX)
            }

        return read_all
