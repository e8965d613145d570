"""Billing periods: the calendar months of a tenant's billing days, found by arithmetic.

A period's row is written when it is closed, from days that the calendar fixed long
before. Failure: a month without billing days of the tenant has no period (`NotFound`).
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Max, Min

from kit.errors import NotFound
from kit.orm.atomic import cursor
from metering.ledger.services import DAY_GRACE
from metering.usage.models import BillingDay
from metering.usage.zones import ONE_DAY, month_of
from tenants.models import Tenant

# Periods are closed in order, so those still due lie after the last closed one.
_DUE = """
    WITH closed AS (
        SELECT tenant_id, max(end_date) AS end_date
        FROM billing_period WHERE state = 'closed' GROUP BY tenant_id
    )
    SELECT day.tenant_id, date_trunc('month', day.date)::date AS first_date
    FROM usage_billingday day
    LEFT JOIN closed ON closed.tenant_id = day.tenant_id
    WHERE (closed.end_date IS NULL OR day.date >= closed.end_date)
        AND (%(tenant)s::bigint IS NULL OR day.tenant_id = %(tenant)s)
    GROUP BY 1, 2
    HAVING max(day.ends_at) <= %(ended_by)s
    ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open dates and instants of a period."""

    first_date: dt.date
    end_date: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime

    @property
    def closable_at(self) -> dt.datetime:
        """Return when nothing of the period can be running any more."""
        return self.ends_at + DAY_GRACE


def span_of(*, tenant: Tenant, date: dt.date) -> Span:
    """Return the period of a date; raises `NotFound` when the tenant has none."""
    first_date, end_date = month_of(date)
    bounds = BillingDay.objects.filter(
        tenant_id=tenant.pk, date__gte=first_date, date__lt=end_date
    ).aggregate(starts_at=Min("starts_at"), ends_at=Max("ends_at"))
    if bounds["starts_at"] is None:
        raise NotFound(
            f"Tenant '{tenant.slug}' has no billing days in {first_date:%Y-%m}."
        )
    return Span(first_date, end_date, bounds["starts_at"], bounds["ends_at"])


def last_ended(*, tenant: Tenant, now: dt.datetime) -> Span:
    """Return the latest period that has ended; raises `NotFound` without one."""
    today = (
        BillingDay.objects.filter(tenant_id=tenant.pk, ends_at__gt=now)
        .order_by("date")
        .first()
    )
    if today is not None:
        before = month_of(today.date)[0] - ONE_DAY
        if BillingDay.objects.filter(tenant_id=tenant.pk, date__lte=before).exists():
            return span_of(tenant=tenant, date=before)
    raise NotFound(f"No billing period of tenant '{tenant.slug}' has ended yet.")


def due(*, now: dt.datetime, tenant: Tenant | None = None) -> list[tuple[int, dt.date]]:
    """Return tenant and first date of each period to be closed by now, oldest first."""
    with cursor() as session:
        session.execute(
            _DUE,
            {"ended_by": now - DAY_GRACE, "tenant": tenant.pk if tenant else None},
        )
        return [(tenant_id, first) for tenant_id, first in session.fetchall()]
