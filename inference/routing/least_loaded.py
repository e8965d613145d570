"""The replica with the least to do comes first; of several, each in its turn.

All loads are known here, so they are compared, not sampled. Owns: the turns.
"""

from collections.abc import Sequence

from inference.routing.round_robin import RoundRobin
from inference.routing.router import Candidate, RouteAsk


class LeastLoaded:
    """Each request goes where the load is least."""

    def __init__(self) -> None:
        self._turns = RoundRobin()

    def order(
        self, ask: RouteAsk, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Return the candidates by load; equal ones by turns."""
        if len(candidates) < 2:
            return candidates
        return sorted(self._turns.order(ask, candidates), key=_load)

    def sent(self, ask: RouteAsk, replica_id: int) -> None:
        """Learn nothing: the load tells."""

    def answered(
        self, ask: RouteAsk, replica_id: int, *, prompt_tokens: int, cached_tokens: int
    ) -> None:
        """Learn nothing."""

    def forget(self, replica_id: int) -> None:
        """Let it take turns as if it were new."""
        self._turns.forget(replica_id)


def _load(candidate: Candidate) -> float:
    return candidate.load
