"""Billing periods, read from the calendar: each day says which one it lies in.

The dates are written with the day and fixed once it has begun, so everybody who asks
for a period gets the same two dates and instants, whatever the tenant's settings have
become since. Failure: a date without billing days of the tenant has none (`NotFound`).
"""

import datetime as dt

from django.db.models import Max, Min

from kit.errors import NotFound
from metering.usage.models import BillingDay
from metering.usage.spans import Span

# No period is longer than a month.
_NEAR = dt.timedelta(days=31)


def period_of(*, tenant_id: int, date: dt.date) -> Span:
    """Return the period that a date lies in; raises `NotFound` where there is none.

    Of a period that is not wholly written yet, the instants are those of the days that
    are. The first period of a tenant may have dates from before its first day.
    """
    days = BillingDay.objects.filter(tenant_id=tenant_id)
    # The date itself may be before the tenant's first day, or skipped by its zone.
    day = days.filter(
        date__gt=date - _NEAR,
        date__lt=date + _NEAR,
        period_start__lte=date,
        period_end__gt=date,
    ).first()
    if day is None:
        raise NotFound(f"Tenant {tenant_id} has no billing period at {date}.")
    bounds = days.filter(date__gte=day.period_start, date__lt=day.period_end).aggregate(
        starts_at=Min("starts_at"), ends_at=Max("ends_at")
    )
    return Span(
        day.period_start, day.period_end, bounds["starts_at"], bounds["ends_at"]
    )


def periods_within(*, tenant_id: int, first: dt.date, end: dt.date) -> list[Span]:
    """Return the periods that dates from `first` to before `end` lie in, in order."""
    days = BillingDay.objects.filter(
        tenant_id=tenant_id, date__gte=first, date__lt=end
    ).values("period_start", "period_end")
    found = days.annotate(starts_at=Min("starts_at"), ends_at=Max("ends_at"))
    return [
        Span(
            each["period_start"], each["period_end"], each["starts_at"], each["ends_at"]
        )
        for each in found.order_by("period_start")
    ]


def running_period(*, tenant_id: int, at: dt.datetime) -> Span:
    """Return the period of an instant; raises `NotFound` where there is none."""
    day = BillingDay.objects.filter(
        tenant_id=tenant_id, starts_at__lte=at, ends_at__gt=at
    ).first()
    if day is None:
        raise NotFound(f"Tenant {tenant_id} has no billing day at {at:%Y-%m-%d}.")
    return period_of(tenant_id=tenant_id, date=day.date)
