"""A tenant's invoices: which there are, what is open, and what each consists of.

Every figure is the stored one; a line opens to its days, and a day to its requests.

Failure: a draft is no invoice yet: 404, as is another tenant's.
"""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.errors import NotFound
from kit.money import picos_from_minor
from kit.scopes import Scope
from metering.billing.models import Invoice
from metering.billing.selectors import lines_of
from metering.documents.selectors import document_of
from metering.receivables import selectors as receivables
from metering.usage.periods import running_period
from metering.usage.selectors import database_now
from pages.console.billing.reading import (
    issued,
    issued_invoice,
    open_minor,
    pay_address,
    state_of,
)
from pages.console.billing.tables import HAPPENED, LINES, Happened, table_of
from pages.console.place import place_page, require
from pages.design import cells
from pages.design.address import query_of
from pages.design.cells import Cell
from pages.design.files import file_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.tiles import Tile, minor_tile, number_tile
from tenants.models import Member, Tenant

# What a column is sorted by, in the database.
_ORDER = {
    "number": "id",
    "issued": "issued_date",
    "due": "due_date",
    "total": "amount_minor",
    "state": "state",
}


@require_safe
@place_page
def listed(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List a tenant's invoices, and say what is open of them."""
    require(Scope.BILLING_READ)
    tenant, now, query = place.tenant, database_now(), query_of(request.GET)
    table, rows = table_of(now), issued(tenant)
    if wants_file(table, query):
        return file_of(table, rows, query, name=f"invoices-{tenant.slug}")
    asked = table.asked(query)
    order = F(_ORDER[asked.column])
    ordered = rows.order_by(
        order.desc(nulls_last=True)
        if asked.is_descending
        else order.asc(nulls_last=True),
        "-id",
    )
    count = rows.count()
    start = min(asked.offset(), max(count - 1, 0) // 50 * 50)
    context = {
        "place": place,
        "heading": Heading(
            "Invoices",
            scope=(f"days of {tenant.zone}", "tax included", f"in {tenant.currency}"),
            lead="What you were billed, and what of it is still to be paid.",
        ),
        "hero": _tiles(tenant, now),
        "tables": [
            table.laid_out(
                list(ordered[start : start + table.rows_per_page]),
                query,
                count=count,
                empty=_none_yet(tenant, now),
            )
        ],
    }
    return render(request, "pages/console/page.html", context)


@require_safe
@place_page
def page(request: HttpRequest, *, place: Member, public_id: UUID) -> HttpResponse:
    """Show one invoice: its lines, its sums, and what came of it."""
    require(Scope.BILLING_READ)
    tenant, now, query = place.tenant, database_now(), query_of(request.GET)
    invoice = issued_invoice(tenant, public_id)
    lines = list(lines_of(invoice).select_related("invoice__tenant"))
    if wants_file(LINES, query):
        return file_of(LINES, lines, query, name=f"invoice-{invoice.number}")
    happened = sorted(_happened(invoice), key=lambda row: row.at)
    if wants_file(HAPPENED, query):
        return file_of(HAPPENED, happened, query, name=f"{invoice.number}-happened")
    period = (
        (f"{invoice.first_date} to {invoice.last_date}",) if invoice.first_date else ()
    )
    context = {
        "place": place,
        "invoice": invoice,
        "badge": state_of(invoice, now=now),
        "pay": pay_address(invoice),
        "is_open": bool(open_minor(invoice)),
        "bank": str(invoice.seller_details.get("bank_details") or "").strip(),
        "has_pdf": document_of(invoice) is not None,
        "heading": Heading(
            f"Invoice {invoice.number}",
            scope=(*period, f"days of {tenant.zone}", f"in {invoice.currency}"),
            crumbs=(
                Crumb("Invoices", reverse("console:invoices", args=[tenant.slug])),
            ),
        ),
        "hero": _sums(invoice),
        "tables": [
            LINES.laid_out(lines, query, totals=[_line_total(invoice)]),
            HAPPENED.laid_out(happened, query),
        ],
    }
    return render(request, "pages/console/billing/invoice.html", context)


@require_safe
@place_page
def pdf(request: HttpRequest, *, place: Member, public_id: UUID) -> HttpResponse:
    """Show an invoice's PDF, as it was made once."""
    require(Scope.BILLING_READ)
    kept = document_of(issued_invoice(place.tenant, public_id))
    if kept is None:
        raise NotFound("Its document is not made yet: look again in a minute.")
    headers = {"Content-Disposition": f'inline; filename="{kept.number}.pdf"'}
    return HttpResponse(
        bytes(kept.pdf), content_type="application/pdf", headers=headers
    )


def _tiles(tenant: Tenant, now: dt.datetime) -> list[Tile]:
    found = list(receivables.unpaid(tenant).select_related("tenant"))
    late = [row for row in found if state_of(row, now=now).word == "overdue"]
    outstanding = sum(open_minor(row) for row in found)
    overdue = sum(open_minor(row) for row in late)
    return [
        minor_tile(
            "Outstanding",
            outstanding,
            tenant.currency,
            note=f"of {len(found)} open invoice{'' if len(found) == 1 else 's'}",
        ),
        minor_tile("Overdue", overdue, tenant.currency, note="past the due date"),
        number_tile("Invoices", issued(tenant).count()),
    ]


def _none_yet(tenant: Tenant, now: dt.datetime) -> Empty:
    try:
        closes = running_period(tenant_id=tenant.pk, at=now).end_date
    except NotFound:
        return Empty("No invoice yet", "Your first period has not begun.")
    return Empty(
        f"Your first invoice closes on {closes}",
        f"A period is billed once it is over, at midnight of {tenant.zone}.",
        action="See what it comes to so far",
        address=reverse("console:billing", args=[tenant.slug]),
    )


def _sums(invoice: Invoice) -> list[Tile]:
    currency = invoice.currency
    settled = invoice.credited_minor + invoice.written_off_minor
    due = f"due {invoice.due_date}" if invoice.due_date else ""
    return [
        minor_tile("To be paid", open_minor(invoice), currency, note=due),
        minor_tile(
            "Total",
            invoice.amount_minor,
            currency,
            note=f"issued {invoice.issued_date}",
        ),
        minor_tile("Before tax and credit", invoice.subtotal_minor, currency),
        minor_tile("Tax", invoice.tax_minor, currency),
        minor_tile("Paid", invoice.paid_minor, currency),
        *([minor_tile("Credited", settled, currency)] if settled else []),
    ]


def _line_total(invoice: Invoice) -> dict[str, Cell]:
    exact = int(invoice.exact_picos)
    charged = picos_from_minor(invoice.amount_minor, invoice.currency)
    return {
        "line": cells.words("Total"),
        "exact": cells.money(exact, invoice.currency),
        "rounding": cells.money(charged - exact, invoice.currency),
        "amount": cells.minor(invoice.amount_minor, invoice.currency),
        "currency": cells.unit(invoice.currency),
    }


def _happened(invoice: Invoice) -> Iterator[Happened]:
    """Yield payments, refunds, notes, reminders and what stops them."""
    tenant = invoice.tenant
    for paid in receivables.payments(tenant=tenant, invoice=invoice.pk):
        yield Happened(
            paid.received_at,
            "paid",
            f"{paid.get_method_display()}, {paid.reference}",
            paid.amount_minor,
            invoice,
        )
    for back in receivables.refunds(tenant=tenant).filter(payment__invoice=invoice):
        outlet = back.get_outlet_display()
        yield Happened(
            back.refunded_at, "went back", outlet, -back.amount_minor, invoice
        )
    for note in receivables.credit_notes(tenant=tenant, invoice=invoice.pk):
        what = f"credit note {note.number}"
        yield Happened(note.issued_at, what, note.reason, -note.amount_minor, invoice)
    for step in receivables.dunning_steps(tenant=tenant).filter(invoice=invoice):
        yield Happened(
            step.taken_at, step.get_kind_display(), "by mail", step.open_minor, invoice
        )
    for hold in invoice.holds.filter(ended_at=None):
        what = f"on hold: {hold.get_kind_display()}"
        yield Happened(hold.started_at, what, hold.reason, open_minor(invoice), invoice)
