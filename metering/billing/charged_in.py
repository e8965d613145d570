"""Find the invoice lines that charge a day of use at a price: from request to bill.

A day may stand on more than one: what is known of it only after its period was closed
is an adjustment on a later invoice. Failure: none; what no invoice charges yet, or a
plan charges otherwise, is on no line.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from metering.billing.marks import mark_of
from metering.billing.models import ClaimedPosting, Invoice, InvoiceLine
from metering.ledger.models import DayPosting
from metering.usage.models import BillingDay

# A day is on one invoice, and seldom on a few more: of what came late.
INVOICES_MAX = 12


@dataclass(frozen=True, slots=True)
class ChargedIn:
    """The billing day that something counts to, and the lines that charge it so far."""

    day: BillingDay
    lines: tuple[InvoiceLine, ...]


def charged_in(
    *,
    tenant_id: int,
    at: dt.datetime,
    price_ids: Collection[int],
    with_drafts: bool = True,
) -> ChargedIn | None:
    """Return where what was admitted at an instant is charged, at some prices.

    None for an instant that no billing day of the tenant has. To tenants a draft is no
    invoice yet: they are answered without it.
    """
    day = BillingDay.objects.filter(
        tenant_id=tenant_id, starts_at__lte=at, ends_at__gt=at
    ).first()
    if day is None:
        return None
    postings = list(
        DayPosting.objects.filter(
            tenant_id=tenant_id, date=day.date, price_id__in=set(price_ids)
        )
    )
    found = {line.pk: line for line in _one_by_one(postings)}
    for invoice in _invoices(day):
        charged = [each for each in postings if _charges(invoice, each)]
        found |= {line.pk: line for line in _lines(invoice, day, charged)}
    shown = [
        line
        for line in found.values()
        if with_drafts or line.invoice.state != Invoice.State.DRAFT
    ]
    ordered = sorted(shown, key=lambda line: (line.invoice_id, line.position))
    return ChargedIn(day, tuple(ordered))


def _invoices(day: BillingDay) -> list[Invoice]:
    """Return the invoices that may charge a day: of its period, and those after it."""
    rows = Invoice.objects.filter(tenant_id=day.tenant_id, days_to__gt=day.date)
    return list(rows.select_related("period").order_by("days_to")[:INVOICES_MAX])


def _charges(invoice: Invoice, posting: DayPosting) -> bool:
    """Tell whether a posting lies within an invoice's mark."""
    mark = mark_of(invoice)
    if mark is None:
        return False
    is_later = posting.date >= (mark.days_from or dt.date.min) or posting.id > (
        mark.posted_from or 0
    )
    return is_later and posting.date < mark.days_to and posting.id <= mark.posted_to


def _lines(
    invoice: Invoice, day: BillingDay, postings: Collection[DayPosting]
) -> list[InvoiceLine]:
    """Return an invoice's lines of what was posted of a day."""
    if not postings:
        return []
    is_adjusted = day.date < (invoice.first_date or dt.date.min)
    kind = InvoiceLine.Kind.ADJUSTMENT if is_adjusted else InvoiceLine.Kind.USAGE
    rows = InvoiceLine.objects.filter(
        invoice=invoice,
        kind=kind,
        price_id__in={each.price_id for each in postings},
        token_class__in={each.token_class for each in postings},
    )
    lines = list(rows.select_related("invoice"))
    if not is_adjusted:
        return lines
    # An adjustment names the period that it is of.
    begins = f"{day.period_start}"
    return [line for line in lines if not line.key or line.key.split("/")[1] == begins]


def _one_by_one(postings: Collection[DayPosting]) -> list[InvoiceLine]:
    """Return the lines of what was invoiced before there were marks."""
    if not postings:
        return []
    first = next(iter(postings))
    claimed = ClaimedPosting.objects.filter(
        tenant_id=first.tenant_id,
        date=first.date,
        price_id__in={each.price_id for each in postings},
    )
    return [row.line for row in claimed.select_related("line__invoice")]
