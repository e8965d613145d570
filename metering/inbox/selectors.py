"""Reads of the inbox: what is not seen through, and since when."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min, Q

from metering.inbox.models import WebhookEvent

State = WebhookEvent.State


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many events are not seen through, and since when the oldest is not."""

    waiting: int
    parked: int
    oldest_at: dt.datetime | None

    @property
    def undone(self) -> int:
        """Return how many are not seen through."""
        return self.waiting + self.parked


def backlog() -> Backlog:
    """Count what is not seen through."""
    found = WebhookEvent.objects.filter(
        state__in=(State.WAITING, State.PARKED)
    ).aggregate(
        waiting=Count("pk", filter=Q(state=State.WAITING)),
        parked=Count("pk", filter=Q(state=State.PARKED)),
        oldest_at=Min("received_at"),
    )
    return Backlog(**found)
