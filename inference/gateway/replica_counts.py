"""What became of the requests of each replica: for whoever watches them one by one.

Replicas are operators' rows, and few; should there be many, those that come later share
one place. Owns: the counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kit.contracts import EventStatus, Outcome
from kit.histogram import Histogram

REPLICAS_MAX = 500
# Where those beyond are counted; no row has this id.
OTHERS = 0
# Close enough together for a percentile to say something.
FIRST_TOKEN_BOUNDS_US = tuple(
    ms * 1000
    for ms in (
        *(5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750),
        *(1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000),
    )
)
_FAILED = frozenset({EventStatus.ENGINE_ERROR, EventStatus.ENGINE_TIMEOUT})


def _of_first_tokens() -> Histogram:
    return Histogram(FIRST_TOKEN_BOUNDS_US)


@dataclass(slots=True)
class ReplicaCount:
    """Settled requests of one replica, and how soon their first tokens came."""

    settled: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    first_token: Histogram = field(default_factory=_of_first_tokens)

    def add(self, outcome: Outcome, *, streamed: bool) -> None:
        """Count a settled request."""
        counts = outcome.counts
        self.settled += 1
        self.failed += outcome.status in _FAILED
        self.input_tokens += counts.input_tokens
        self.cached_input_tokens += counts.cached_input_tokens
        self.output_tokens += counts.output_tokens
        if streamed and outcome.first_token_us is not None:
            self.first_token.observe(outcome.first_token_us)


class ReplicaCounts:
    """The counts of all replicas."""

    def __init__(self) -> None:
        self._by_id: dict[int, ReplicaCount] = {}

    def of(self, replica_id: int) -> ReplicaCount:
        """Return a replica's own, or those that it shares."""
        found = self._by_id.get(replica_id)
        if found is None:
            known = replica_id if len(self._by_id) < REPLICAS_MAX else OTHERS
            found = self._by_id.setdefault(known, ReplicaCount())
        return found

    def items(self) -> Mapping[int, ReplicaCount]:
        """Return them by the replica's id."""
        return self._by_id
