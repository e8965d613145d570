"""What earlier bills charged of periods that late use reopens.

A component of requests, a fixed discount and a commitment look at all of a period. What
comes late is therefore charged as what all of it comes to, less what was charged: here
that is read from the bills that charged it. Of days' postings marks tell it, see
`planning`.

Failure: none; a period that no bill has charged yet came to nothing.
"""

import datetime as dt
from collections.abc import Iterable

from django.db.models import QuerySet

from metering.billing.composing.bill import BilledPeriod, CameTo, Requests
from metering.billing.models import Invoice
from metering.billing.rebuilding import charges_again, requests_from


def requests_before(*, tenant_id: int, periods: Iterable[BilledPeriod]) -> Requests:
    """Return how many requests of late periods were counted, by the last bill."""
    found: dict[tuple[dt.date, str], int] = {}
    for period in periods:
        segments = {
            segment.first_date
            for segment in period.terms.segments
            if segment.components
        }
        if not period.is_due and segments:
            counted = _counted_last(tenant_id, period)
            found |= {key: n for key, n in counted.items() if key[0] in segments}
    return found


def came_to_before(
    *, tenant_id: int, periods: Iterable[BilledPeriod]
) -> dict[dt.date, CameTo]:
    """Return what late periods with a commitment came to on all bills so far."""
    found: dict[dt.date, CameTo] = {}
    for period in periods:
        if not period.is_due and period.terms.commitment:
            came_to = CameTo()
            for invoice in _bills_of(tenant_id, period):
                charged = charges_again(invoice).came_to
                came_to = came_to.plus(charged.get(period.first_date, CameTo()))
            found[period.first_date] = came_to
    return found


def _counted_last(tenant_id: int, period: BilledPeriod) -> Requests:
    for invoice in _bills_of(tenant_id, period):
        # An older bill counted the requests of what was due on it alone.
        was_due = {"first_date": str(period.first_date), "is_due": True}
        if "requests_before" in invoice.basis or was_due in invoice.basis["periods"]:
            return requests_from(invoice.basis["requests"])
    return {}


def _bills_of(tenant_id: int, period: BilledPeriod) -> QuerySet[Invoice]:
    """Return the bills that charge something of a period's plans, the last first."""
    return (
        Invoice.objects.filter(
            tenant_id=tenant_id,
            period__first_date__gte=period.first_date,
            basis__periods__contains=[{"first_date": str(period.first_date)}],
        )
        .select_related("period", "tenant")
        .order_by("-period__first_date")
    )
