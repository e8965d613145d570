"""What a tenant's use came to lately: this period, the one before, the last days.

The days are read in one question, so that the parts of the page agree. The period is
compared with the one before as far as this one has come, as other pages do.

Failure: a tenant whose calendar is not written yet has no figures (`NotFound`).
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kit.acting import current
from kit.errors import InvalidRequest, NotFound
from metering.usage.periods import period_of, running_period
from metering.usage.selectors import (
    Dimension,
    UsageQuery,
    UsageRow,
    billing_day,
    usage,
)
from metering.usage.spans import Span
from tenants.models import Tenant

ONE_DAY = dt.timedelta(days=1)
DRAWN_DAYS = 30
RATE_DAYS = 7
TOP = 5


@dataclass(frozen=True, slots=True)
class Day:
    """What a billing day came to."""

    date: dt.date
    requests: int
    picos: int


@dataclass(frozen=True, slots=True)
class Before:
    """What the period before came to, as far as the running one has come."""

    first: dt.date
    until: dt.datetime
    picos: int


@dataclass(frozen=True, slots=True)
class Glance:
    """A tenant's use at a glance, of what whoever acts may see."""

    span: Span
    today: dt.date
    days: tuple[Day, ...]
    """The last days, today included."""
    spent: int
    requests: int
    before: Before | None
    rate: int
    """What a day cost on average over the last whole days."""
    complete_to: dt.datetime


def glance(*, tenant: Tenant, now: dt.datetime) -> Glance:
    """Return a tenant's use lately; raises `NotFound` without billing days."""
    span = running_period(tenant_id=tenant.pk, at=now)
    today = billing_day(tenant=tenant, at=now).date
    first = min(today - (DRAWN_DAYS - 1) * ONE_DAY, span.first_date)
    found = usage(_asked(tenant, first, today, Dimension.DAY), now=now)
    by_date = {
        row.group.day: row for row in found.rows if row.currency == tenant.currency
    }
    days = [
        Day(date, row.requests if row else 0, row.charge_picos if row else 0)
        for date in _dates(first, today)
        for row in [by_date.get(date)]
    ]
    running = [day for day in days if day.date >= span.first_date]
    # Before its first use there was nothing to be an average of.
    begun = next((at for at, day in enumerate(days) if day.requests), len(days))
    whole = [day for day in days[begun:] if day.date < today][-RATE_DAYS:]
    return Glance(
        span=span,
        today=today,
        days=tuple(days[-DRAWN_DAYS:]),
        spent=sum(day.picos for day in running),
        requests=sum(day.requests for day in running),
        before=_before(tenant, span, now),
        rate=sum(day.picos for day in whole) // len(whole) if whole else 0,
        complete_to=found.complete_to,
    )


def dearest(
    *, tenant: Tenant, span: Span, by: Dimension, now: dt.datetime
) -> tuple[Sequence[UsageRow], int] | None:
    """Return what cost most in a period and how many there are; None of too many."""
    last = span.end_date - ONE_DAY
    try:
        rows = usage(_asked(tenant, span.first_date, last, by), now=now).rows
    except InvalidRequest:
        return None
    theirs = [row for row in rows if row.currency == tenant.currency]
    theirs.sort(key=lambda row: (-row.charge_picos, -row.requests))
    return theirs[:TOP], len(theirs)


def models_called(
    *, tenant: Tenant, first: dt.date, last: dt.date, now: dt.datetime
) -> dict[str, int]:
    """Return how many requests called each model on these days, both included."""
    found = usage(_asked(tenant, first, last, Dimension.MODEL), now=now)
    calls: Counter[str] = Counter()
    for row in found.rows:
        calls[row.group.model or ""] += row.requests
    return calls


def _asked(tenant: Tenant, first: dt.date, last: dt.date, by: Dimension) -> UsageQuery:
    return UsageQuery(
        start=first,
        end=last + ONE_DAY,
        group_by=(by,),
        tenant_id=tenant.pk,
        reach=current().project_ids,
    )


def _before(tenant: Tenant, span: Span, now: dt.datetime) -> Before | None:
    try:
        former = period_of(tenant_id=tenant.pk, date=span.first_date - ONE_DAY)
    except NotFound:
        return None
    until = min(former.starts_at + (now - span.starts_at), former.ends_at)
    if until <= former.starts_at:
        return Before(former.first_date, until, 0)
    asked = UsageQuery(
        start=former.starts_at,
        end=until,
        tenant_id=tenant.pk,
        reach=current().project_ids,
    )
    totals = usage(asked, now=now).totals
    picos = sum(
        each.charge_picos for each in totals if each.currency == tenant.currency
    )
    return Before(former.first_date, until, picos)


def _dates(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + number * ONE_DAY for number in range((last - first).days + 1)]
