"""Gather what a period's bill is made from.

Failure: none of its own; what makes no bill is refused by `composing`. What is read
here and may look otherwise later is frozen by `rebuilding`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping

from django.db.models import Max

from kit.orm.atomic import cursor
from metering.billing.composing.bill import Bill, BilledPeriod, Requests
from metering.billing.lines import Posted
from metering.billing.marks import Mark, marked
from metering.billing.models import Invoice
from metering.billing.planning import charged_before, holds_plans, planned_all
from metering.billing.reopening import came_to_before, requests_before
from metering.usage.models import BillingDay
from tenants.models import Tenant

_REQUESTS = """
    SELECT price.model, sum(rollup.quantity) FROM usage_dayrollup rollup
    JOIN pricing_price price ON price.id = rollup.price_id
    WHERE rollup.tenant_id = %s AND rollup.date >= %s AND rollup.date < %s
        AND rollup.token_class = 0
    GROUP BY price.model ORDER BY price.model
"""


def gather(*, tenant: Tenant, mark: Mark, first_date: dt.date) -> Bill:
    """Read what the bill of a period is made from."""
    postings = marked(tenant_id=tenant.pk, mark=mark)
    periods: tuple[BilledPeriod, ...] = ()
    if holds_plans(tenant):
        are_due = _are_due(tenant, postings, first_date, mark.days_to)
        periods = planned_all(tenant=tenant, are_due=are_due)
    return Bill(
        currency=tenant.currency,
        first_date=first_date,
        postings=tuple(postings),
        before=charged_before(tenant_id=tenant.pk, mark=mark, periods=periods),
        periods=periods,
        requests=requests_of(tenant.pk, periods),
        requests_before=requests_before(tenant_id=tenant.pk, periods=periods),
        came_to=came_to_before(tenant_id=tenant.pk, periods=periods),
    )


def requests_of(tenant_id: int, periods: Iterable[BilledPeriod]) -> Requests:
    """Count the requests of the segments that have components."""
    segments = [
        segment
        for period in periods
        for segment in period.terms.segments
        if segment.components
    ]
    counts: dict[tuple[dt.date, str], int] = {}
    with cursor() as session:
        for segment in segments:
            session.execute(
                _REQUESTS, (tenant_id, segment.first_date, segment.end_date)
            )
            for model, count in session.fetchall():
                counts[segment.first_date, model] = int(count)
    return counts


def _are_due(
    tenant: Tenant, postings: Iterable[Posted], first_date: dt.date, end_date: dt.date
) -> Mapping[dt.date, bool]:
    """Return the period, those before it that no invoice has, and those of late use.

    By their first dates, with whether they are due.
    """
    invoiced = Invoice.objects.filter(tenant=tenant, period__isnull=False)
    billed_to = invoiced.aggregate(to=Max("period__end_date"))["to"] or dt.date.min
    late = {each.period_start for each in postings if each.date < billed_to}
    days = BillingDay.objects.filter(tenant_id=tenant.pk, date__lt=end_date)
    due = set(
        days.filter(date__gte=billed_to)
        .values_list("period_start", flat=True)
        .distinct()
    )
    return {each: each >= billed_to for each in late | due | {first_date}}
