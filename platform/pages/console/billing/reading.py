"""What all pages of billing read of a tenant: its days, its invoices, their states.

Failure: an invoice that is a draft, or another tenant's, is `NotFound`.
"""

import datetime as dt
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.urls import reverse

from kit.errors import NotFound
from metering.billing import selectors
from metering.billing.models import Invoice
from metering.topups.services import OFFLINE
from metering.usage.zones import date_at
from pages.design import cells
from pages.design.badges import Badge, Tone, invoice_badge
from pages.design.cells import Cell
from tenants.models import Tenant

State = Invoice.State


def issued(tenant: Tenant) -> QuerySet[Invoice]:
    """Return a tenant's invoices; a draft is none to it."""
    return selectors.only_issued(selectors.invoices(tenant=tenant))


def issued_invoice(tenant: Tenant, public_id: UUID) -> Invoice:
    """Return one of them; raises `NotFound`."""
    found = issued(tenant).filter(public_id=public_id).first()
    if found is None:
        raise NotFound(f"There is no invoice {public_id}.")
    return found


def open_minor(invoice: Invoice) -> int:
    """Return what is still to be paid of an invoice."""
    if invoice.state != State.OPEN:
        return 0
    taken = invoice.paid_minor + invoice.credited_minor + invoice.written_off_minor
    return invoice.amount_minor - taken


def is_overdue(invoice: Invoice, *, now: dt.datetime) -> bool:
    """Tell whether an invoice should have been paid by now, in its tenant's days."""
    if invoice.state != State.OPEN or invoice.due_date is None:
        return False
    return invoice.due_date < date_at(now, invoice.tenant.zone)


def state_of(invoice: Invoice, *, now: dt.datetime) -> Badge:
    """Return how an invoice stands, in the words that its payer needs."""
    if is_overdue(invoice, now=now):
        return Badge("overdue", Tone.BAD)
    return invoice_badge(invoice.state)


def pay_address(invoice: Invoice) -> str:
    """Return the page on which an open invoice is paid; empty where there is none."""
    is_paid_there = invoice.provider != OFFLINE and invoice.state == State.OPEN
    return invoice.hosted_url if is_paid_there else ""


def leads(invoice: Invoice, *place: int | str) -> str:
    """Return the address of an invoice, of a line of it, or of that line's day."""
    names = ("console:invoice", "console:invoice_line", "console:invoice_day")
    return reverse(
        names[len(place)], args=[invoice.tenant.slug, invoice.public_id, *place]
    )


def said_at(at: dt.datetime, tenant: Tenant) -> Cell:
    """Return a cell of an instant as the tenant's clocks show it."""
    there = at.astimezone(ZoneInfo(tenant.zone))
    found = cells.instant(at)
    return cells.Cell(
        f"{there:%Y-%m-%d %H:%M}", found.value, title=f"{there:%H:%M:%S} {tenant.zone}"
    )
