"""Forget what was told and is settled, once nobody asks about it any more."""

import datetime as dt

from metering.alerts.deliveries import give_up_old
from metering.alerts.models import Crossing, Delivery, Event

KEPT_FOR = dt.timedelta(days=90)


def purge(*, now: dt.datetime) -> int:
    """Give up what waits for too long, and delete what is older than it is kept for.

    Returns how many events were deleted. Idempotent.
    """
    give_up_old(now=now)
    before = now - KEPT_FOR
    old = Event.objects.filter(created_at__lt=before)
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING).values("event_id")
    deleted, _ = old.exclude(pk__in=waiting).delete()
    Crossing.objects.filter(cleared_at__lt=before).delete()
    return deleted
