"""What the scheduler counts: plain integers, by the pool that is waited for.

Pools are few, as served models are; should there be many, the later ones share one.
"""

import enum
from collections import Counter
from dataclasses import dataclass, field

from kit.histogram import Histogram

POOLS_MAX = 50
OTHERS = "others"


class Unserved(enum.StrEnum):
    """Why a request that wanted a turn got none."""

    NO_REPLICA = "no_replica"
    QUEUE_FULL = "queue_full"
    TENANT_SHARE = "tenant_share"
    DEADLINE = "deadline"


class Moved(enum.StrEnum):
    """What came of a request whose replica failed."""

    MOVED = "moved"
    NOWHERE = "nowhere"
    BUDGET = "budget"
    DEADLINE = "deadline"


@dataclass(slots=True)
class PoolMetrics:
    """Counts of one pool in one process."""

    # Requests that waited, by how long; those that did not wait are not among them.
    wait: Histogram = field(default_factory=Histogram)
    turns: int = 0
    unserved: Counter[Unserved] = field(default_factory=Counter)
    moves: Counter[Moved] = field(default_factory=Counter)


@dataclass(slots=True)
class SchedulerMetrics:
    """Counts of one process, by pool."""

    pools: dict[str, PoolMetrics] = field(default_factory=dict)

    def of(self, pool: str) -> PoolMetrics:
        """Return a pool's own counts, or those that it shares."""
        found = self.pools.get(pool)
        if found is None:
            name = pool if len(self.pools) < POOLS_MAX else OTHERS
            found = self.pools.setdefault(name, PoolMetrics())
        return found
