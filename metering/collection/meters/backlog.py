"""How much use is still to be told, since when, and what is wrong."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min, Q

from metering.collection.models import MeterDifference, MeterEvent

State = MeterEvent.State


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many events are not told, and how many hours differ for good."""

    waiting: int
    parked: int
    oldest_at: dt.datetime | None
    differences: int

    @property
    def undone(self) -> int:
        """Return how many events are not told."""
        return self.waiting + self.parked


def backlog() -> Backlog:
    """Count what is not told, of all accounts."""
    open_states = (State.WAITING, State.CANCELLING, State.PARKED)
    found = MeterEvent.objects.filter(state__in=open_states).aggregate(
        waiting=Count("pk", filter=~Q(state=State.PARKED)),
        parked=Count("pk", filter=Q(state=State.PARKED)),
        oldest_at=Min("noted_at"),
    )
    return Backlog(**found, differences=MeterDifference.objects.count())
