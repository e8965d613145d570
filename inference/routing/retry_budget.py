"""How many requests may be tried again: a share of all, and a few besides.

A fleet in trouble must not be given its work several times over. Beyond the budget the
first failure is the answer. It is counted by pool, over a sliding window: of the window
before, what still lies within. Pure; time is an argument, in seconds.
"""

from dataclasses import dataclass

WINDOW_S = 30.0
SHARE = 0.2
# However few requests there are. One replica of a few may take all of its own with it.
FLOOR = 100
# Pools are operators' models; those that nobody asks for are forgotten beyond this.
POOLS_MAX = 1000


class RetryBudget:
    """The budgets of all pools."""

    def __init__(self) -> None:
        self._pools: dict[str, _Counts] = {}

    def request(self, pool: str, now: float) -> None:
        """Count a request that is sent for the first time."""
        self._counts(pool, now).requests += 1

    def take(self, pool: str, now: float) -> bool:
        """Take one retry; False where there is none left."""
        counts = self._counts(pool, now)
        before = max(0.0, 1.0 - (now - counts.began_at) / WINDOW_S)
        requests = counts.requests + before * counts.requests_before
        retries = counts.retries + before * counts.retries_before
        if retries + 1 > FLOOR + SHARE * requests:
            return False
        counts.retries += 1
        return True

    def _counts(self, pool: str, now: float) -> "_Counts":
        counts = self._pools.get(pool)
        if counts is None:
            if len(self._pools) >= POOLS_MAX:
                self._forget(now)
            counts = self._pools[pool] = _Counts(now)
        elif now >= counts.began_at + WINDOW_S:
            counts.turn_over(now)
        return counts

    def _forget(self, now: float) -> None:
        old = now - 2 * WINDOW_S
        self._pools = {
            pool: counts
            for pool, counts in self._pools.items()
            if counts.began_at > old
        }


@dataclass(slots=True)
class _Counts:
    """What was seen of a pool in this window, and in the one before."""

    began_at: float
    requests: int = 0
    retries: int = 0
    requests_before: int = 0
    retries_before: int = 0

    def turn_over(self, now: float) -> None:
        """Begin the next window; what is older than the last one is forgotten."""
        is_next = now < self.began_at + 2 * WINDOW_S
        self.requests_before = self.requests if is_next else 0
        self.retries_before = self.retries if is_next else 0
        self.began_at = self.began_at + WINDOW_S if is_next else now
        self.requests = self.retries = 0
