"""Which replicas are well: what requests and probes have seen of them, put together.

A replica that nothing is known of is well. It is passed over where its breaker says so,
and while probes miss it: twice in a row, with no answer to a request between. Where no
replica of a model is well, none is known to be dead either: the one that failed longest
ago is tried all the same, a few times a second, for to refuse everybody by mistake is
worse than a vain try. One that begins its answers, and breaks them off, is then sent
all: that may be the requests' own doing, and a part of an answer is more than none.

Failure: none. Owns: the breakers. Only replicas in trouble have one, so that a request
to a healthy one costs nothing here.
"""

import random
from collections.abc import Callable, Collection, Iterable, Sequence

from inference.routing.breaker import Breaker, State
from inference.routing.fleet import Failure
from inference.routing.snapshot import ReplicaEntry

PROBES_MISSED_MAX = 2
# How often one replica is tried as the last resort.
LAST_RESORT_S = 0.25
# What an engine's gauges told is no use after a while.
FOREIGN_S = 6.0

_DEATHS = frozenset(
    {Failure.UNREACHABLE, Failure.LOST, Failure.SILENT, Failure.BROKE_OFF}
)
_NEVER = float("-inf")


class ReplicaHealth:
    """Knows how the replicas are; implements `inference.routing.fleet.Health`."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._now = now
        self._chance = chance
        self._breakers: dict[int, Breaker] = {}
        self._missed: dict[int, int] = {}
        self._tried_at: dict[int, float] = {}
        # What each died of last.
        self._died_of: dict[int, Failure] = {}
        self._foreign: dict[int, tuple[float, int]] = {}
        # Told whose replicas they are when one may be taken again.
        self.on_well: Callable[[str], None] = _nothing

    # What requests ask, and tell ------------------------------------------------------

    def may_take(self, replica: ReplicaEntry) -> bool:
        """Tell whether a replica may be sent a request now."""
        if self._missed.get(replica.id, 0) >= PROBES_MISSED_MAX:
            return False
        breaker = self._breakers.get(replica.id)
        return breaker is None or breaker.may_take(self._now())

    def is_up(self, replica: ReplicaEntry) -> bool:
        """Tell whether it is to be waited for: it lives, though it may be busy."""
        if self._missed.get(replica.id, 0) >= PROBES_MISSED_MAX:
            return False
        breaker = self._breakers.get(replica.id)
        return (
            breaker is None
            or breaker.state is not State.OPEN
            or breaker.may_take(self._now())
        )

    def last_resort(
        self, replicas: Sequence[ReplicaEntry], *, among: Sequence[ReplicaEntry]
    ) -> ReplicaEntry | None:
        """Return which to try though none is well; None for none just now.

        None, too, where one of all `replicas` lives, and only has too much to do.
        """
        if any(self._lives(each) for each in replicas):
            return None
        now = self._now()
        due = [each for each in among if self._is_due(each, now)]
        if not due:
            return None
        replica = min(due, key=self._failed_at)
        self._tried_at[replica.id] = now
        return replica

    def began(self, replica: ReplicaEntry) -> None:
        """Learn that a request is sent to it."""
        breaker = self._breakers.get(replica.id)
        if breaker is not None:
            breaker.began(self._now())

    def answered(self, replica: ReplicaEntry) -> None:
        """Learn that it has answered: whatever probes say, it can be reached."""
        was_down = self._missed.pop(replica.id, 0) >= PROBES_MISSED_MAX
        breaker = self._breakers.get(replica.id)
        if breaker is not None:
            before = breaker.state
            breaker.answered(self._now())
            was_down |= before is not breaker.state
        if was_down:
            self.on_well(replica.model)

    def failed(
        self, replica: ReplicaEntry, failure: Failure, *, retry_after_s: float = 0.0
    ) -> None:
        """Learn what it did wrong."""
        breaker = self._breakers.get(replica.id)
        if breaker is None:
            breaker = self._breakers[replica.id] = Breaker(self._chance)
        now = self._now()
        if failure in _DEATHS:
            self._died_of[replica.id] = failure
            breaker.died(now)
        elif failure is Failure.OVERLOADED:
            self._missed.pop(replica.id, None)
            breaker.overloaded(now, retry_after_s)
        else:
            breaker.faulted(now)

    def foreign(self, replica: ReplicaEntry) -> int:
        """Return how many requests of others it had when its gauges were last read."""
        read_at, requests = self._foreign.get(replica.id, (_NEVER, 0))
        return requests if requests and self._now() < read_at + FOREIGN_S else 0

    # What probes tell ----------------------------------------------------------------

    def probed(self, replicas: Iterable[ReplicaEntry], *, is_well: bool) -> None:
        """Learn whether an engine, which may be several replicas, answers a probe."""
        now = self._now()
        for replica in replicas:
            if not is_well:
                self._missed[replica.id] = self._missed.get(replica.id, 0) + 1
                # What ran there has gone with it, or will be read again.
                self._foreign.pop(replica.id, None)
                continue
            was_down = self._missed.pop(replica.id, 0) >= PROBES_MISSED_MAX
            breaker = self._breakers.get(replica.id)
            if breaker is not None:
                was_down |= breaker.state is not State.CLOSED
                breaker.probed(now)
                if breaker.is_forgotten(now):
                    del self._breakers[replica.id]
            if was_down:
                self.on_well(replica.model)

    def gauged(self, replicas: Iterable[ReplicaEntry], foreign: int) -> None:
        """Learn how many requests an engine has beyond this process's."""
        now = self._now()
        for replica in replicas:
            self._foreign[replica.id] = (now, foreign)

    def keep_only(self, replica_ids: Collection[int]) -> None:
        """Forget replicas that are there no more."""
        known: tuple[dict[int, object], ...] = (
            self._breakers,  # type: ignore[assignment]
            self._missed,
            self._tried_at,
            self._died_of,
            self._foreign,
        )
        for each in known:
            for gone in each.keys() - replica_ids:
                del each[gone]

    # What metrics show ---------------------------------------------------------------

    def state(self, replica_id: int) -> State:
        """Return whether requests flow to a replica, by its breaker."""
        breaker = self._breakers.get(replica_id)
        return State.CLOSED if breaker is None else breaker.state

    def _lives(self, replica: ReplicaEntry) -> bool:
        return (
            self._missed.get(replica.id, 0) < PROBES_MISSED_MAX
            and self.state(replica.id) is State.CLOSED
        )

    def _is_due(self, replica: ReplicaEntry, now: float) -> bool:
        """Tell whether nobody tries it, and nobody has a moment ago.

        Of one that begins its answers there is no need to be so careful.
        """
        if (
            self._died_of.get(replica.id) is Failure.BROKE_OFF
            and self._missed.get(replica.id, 0) < PROBES_MISSED_MAX
        ):
            return True
        breaker = self._breakers.get(replica.id)
        is_tried = (
            breaker is not None
            and breaker.state is State.HALF_OPEN
            and not breaker.may_take(now)
        )
        return not is_tried and (
            now >= self._tried_at.get(replica.id, _NEVER) + LAST_RESORT_S
        )

    def _failed_at(self, replica: ReplicaEntry) -> float:
        breaker = self._breakers.get(replica.id)
        return _NEVER if breaker is None else breaker.failed_at


def _nothing(model: str) -> None:
    """Tell nobody."""
