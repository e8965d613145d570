"""Who waits for replicas, for the page of metrics: what autoscalers and alerts look at.

Owns: nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from inference.gateway.metrics import Family, Spread
from inference.routing.snapshot import Snapshot
from inference.scheduling.metrics import POOLS_MAX, PoolMetrics
from inference.scheduling.scheduler import FairScheduler
from inference.scheduling.shares import Sharing

REPLICAS_MAX = 500


@dataclass(frozen=True, slots=True)
class QueueMetrics:
    """Reads the families of all that is known of who waits."""

    snapshot: Snapshot
    scheduler: FairScheduler
    shares: Sharing

    def families(self) -> Sequence[Family]:
        """Return them."""
        return (
            Family(
                "tollgate_queue_waiting",
                "Requests that wait for a place on a replica: scale by it.",
                "model",
                self._waiting,
            ),
            Family(
                "tollgate_queue_turns",
                "Requests that got a place, waiting or at once.",
                "model",
                lambda: {
                    name: float(of.turns)
                    for name, of in self.scheduler.metrics.pools.items()
                },
                is_counter=True,
            ),
            Family(
                "tollgate_queue_refused",
                "Requests that got no place, by why.",
                "reason",
                self._summed(lambda of: of.unserved),
                is_counter=True,
            ),
            Family(
                "tollgate_queue_moves",
                "Requests whose replica failed, by what came of them.",
                "result",
                self._summed(lambda of: of.moves),
                is_counter=True,
            ),
            Family(
                "tollgate_replica_slots_granted",
                "Requests that this process may run on a replica at a time.",
                "replica",
                lambda: {
                    f"{each.model}/{each.name}": float(self.shares.granted(each))
                    for each in islice(self.snapshot.replicas.values(), REPLICAS_MAX)
                },
            ),
        )

    def spreads(self) -> Sequence[Spread]:
        """Return how long was waited."""
        return (
            Spread(
                "tollgate_queue_wait_seconds",
                "How long those waited that got a place, and not at once.",
                "model",
                lambda: {
                    name: of.wait for name, of in self.scheduler.metrics.pools.items()
                },
            ),
        )

    def _waiting(self) -> Mapping[str, float]:
        """Return it of pools that nobody has waited for, too: they may be scaled."""
        waiting = dict.fromkeys(islice(self.snapshot.replicas_by_model, POOLS_MAX), 0.0)
        for name, pool in islice(self.scheduler.pools.items(), POOLS_MAX):
            waiting[name] = float(pool.waiting)
        return waiting

    def _summed(
        self, pick: Callable[[PoolMetrics], Mapping[Any, int]]
    ) -> Callable[[], Mapping[str, float]]:
        def read() -> Mapping[str, float]:
            found: Counter[str] = Counter()
            for of in self.scheduler.metrics.pools.values():
                found.update({str(key): count for key, count in pick(of).items()})
            return {key: float(count) for key, count in found.items()}

        return read
