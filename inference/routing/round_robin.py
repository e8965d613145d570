"""Replicas by turns, each as often as its weight says.

Smoothly, as nginx does it: all replicas gain credit by their weights, and the one with
the most pays for all of them. So of weights 2, 1 and 1 the heavy one has every second
turn, and not two at once. By model: others' requests do not skip anyone's turn.

Bound: the credits of the `MODELS_MAX` models that were asked for last. Owns: credits.
"""

from collections import OrderedDict
from collections.abc import Sequence

from inference.routing.router import Candidate, RouteAsk

MODELS_MAX = 1024
# Of replicas that are away, credits are kept for as many as there are others, and more.
_AWAY_MAX = 32


class RoundRobin:
    """Each request goes to the replica that is owed the most."""

    def __init__(self, *, models_max: int = MODELS_MAX) -> None:
        self._models_max = models_max
        # By model: what each replica is owed. The model asked for last comes last.
        self._credits: OrderedDict[str, dict[int, int]] = OrderedDict()

    def order(
        self, ask: RouteAsk, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Return the candidates by what they are owed; the first one pays."""
        if len(candidates) < 2:
            return candidates
        owed = self._owed(ask.model, candidates)
        total = 0
        for each in candidates:
            replica = each.replica
            owed[replica.id] = owed.get(replica.id, 0) + replica.weight
            total += replica.weight
        ordered = sorted(candidates, key=lambda each: -owed[each.replica.id])
        owed[ordered[0].replica.id] -= total
        return ordered

    def sent(self, ask: RouteAsk, replica_id: int) -> None:
        """Learn nothing."""

    def answered(
        self, ask: RouteAsk, replica_id: int, *, prompt_tokens: int, cached_tokens: int
    ) -> None:
        """Learn nothing."""

    def forget(self, replica_id: int) -> None:
        """Owe it nothing: it takes turns as if it were new."""
        for owed in self._credits.values():
            owed.pop(replica_id, None)

    def _owed(self, model: str, candidates: Sequence[Candidate]) -> dict[int, int]:
        owed = self._credits.setdefault(model, {})
        self._credits.move_to_end(model)
        if len(self._credits) > self._models_max:
            self._credits.popitem(last=False)
        if len(owed) > 2 * len(candidates) + _AWAY_MAX:
            here = {each.replica.id for each in candidates}
            for replica_id in owed.keys() - here:
                del owed[replica_id]
        return owed
