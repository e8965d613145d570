"""Billing periods that are due, and their instants, read from a tenant's billing days.

A period's row is written when it is due, from days that the calendar fixed long
before. Failure: a date without billing days of the tenant has no period (`NotFound`).
"""

import datetime as dt

from kit.errors import NotFound
from kit.orm.atomic import cursor
from metering.ledger.services import DAY_GRACE
from metering.usage import spans
from metering.usage.models import BillingDay
from metering.usage.periods import period_of
from metering.usage.zones import ONE_DAY
from tenants.models import Tenant

# Periods are closed in order, so those still due lie after the last closed one.
_DUE = """
    WITH closed AS (
        SELECT tenant_id, max(end_date) AS end_date
        FROM billing_period WHERE state = 'closed' GROUP BY tenant_id
    )
    SELECT day.tenant_id, day.period_start AS first_date
    FROM usage_billingday day
    LEFT JOIN closed ON closed.tenant_id = day.tenant_id
    WHERE (closed.end_date IS NULL OR day.date >= closed.end_date)
        AND (%(tenant)s::bigint IS NULL OR day.tenant_id = %(tenant)s)
    GROUP BY 1, 2
    HAVING max(day.ends_at) <= %(ended_by)s
    ORDER BY 2, 1
"""
# One that no worker has closed yet is a row too, for them to share out.
_NOTE = f"""
    WITH due AS ({_DUE})
    INSERT INTO billing_period
        (tenant_id, first_date, end_date, starts_at, ends_at, state)
    SELECT day.tenant_id, day.period_start, day.period_end, min(day.starts_at),
        max(day.ends_at), 'open'
    FROM due JOIN usage_billingday day
        ON day.tenant_id = due.tenant_id AND day.period_start = due.first_date
    GROUP BY 1, 2, 3 ORDER BY 2, 1
    ON CONFLICT (tenant_id, first_date) DO NOTHING
"""  # noqa: S608 - put together from the constants above


class Span(spans.Span):
    """The half-open dates and instants of a period."""

    __slots__ = ()

    @property
    def closable_at(self) -> dt.datetime:
        """Return when nothing of the period can be running any more."""
        return self.ends_at + DAY_GRACE


def span_of(*, tenant: Tenant, date: dt.date) -> Span:
    """Return the period of a date; raises `NotFound` when the tenant has none."""
    try:
        found = period_of(tenant_id=tenant.pk, date=date)
    except NotFound:
        raise NotFound(
            f"Tenant '{tenant.slug}' has no billing days in the period of {date}."
        ) from None
    return Span(found.first_date, found.end_date, found.starts_at, found.ends_at)


def last_ended(*, tenant: Tenant, now: dt.datetime) -> Span:
    """Return the latest period that has ended; raises `NotFound` without one."""
    today = (
        BillingDay.objects.filter(tenant_id=tenant.pk, ends_at__gt=now)
        .order_by("date")
        .first()
    )
    if today is not None:
        before = today.period_start - ONE_DAY
        if BillingDay.objects.filter(tenant_id=tenant.pk, date__lte=before).exists():
            return span_of(tenant=tenant, date=before)
    raise NotFound(f"No billing period of tenant '{tenant.slug}' has ended yet.")


def note_due(*, now: dt.datetime) -> None:
    """Write a row for each period to be closed by now that has none."""
    with cursor() as session:
        session.execute(_NOTE, {"ended_by": now - DAY_GRACE, "tenant": None})


def due(*, now: dt.datetime, tenant: Tenant | None = None) -> list[tuple[int, dt.date]]:
    """Return tenant and first date of each period to be closed by now, oldest first."""
    with cursor() as session:
        session.execute(
            _DUE,
            {"ended_by": now - DAY_GRACE, "tenant": tenant.pk if tenant else None},
        )
        return [(tenant_id, first) for tenant_id, first in session.fetchall()]
