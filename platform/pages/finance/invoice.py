"""An invoice as a page: what `metering.billing` says of it, in aligned columns.

Every figure is the stored one, formatted by the billing selector; nothing is computed
here, so page and invoice cannot differ.
"""

import datetime as dt
from dataclasses import dataclass

from kit.money import format_minor
from metering.billing.models import Invoice
from metering.billing.selectors import Document, DocumentLine, document, invoices
from pages.figures import Amount, aligned, count
from tenants.models import Tenant

RECENT_MAX = 20


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """One line of the invoice, and its figures."""

    line: DocumentLine
    quantity: str
    exact: Amount
    rounding: Amount
    charged: str


@dataclass(frozen=True, slots=True)
class PrintedInvoice:
    """The invoice, its lines and the sums beneath them."""

    document: Document
    lines: list[PrintedLine]
    exact: Amount
    rounding: Amount
    charged: str


@dataclass(frozen=True, slots=True)
class ListedInvoice:
    """One row of the list of invoices."""

    invoice: Invoice
    name: str
    first_date: dt.date | None
    last_date: dt.date | None
    charged: str


def printed(invoice: Invoice) -> PrintedInvoice:
    """Lay an invoice out for reading and printing."""
    shown = document(invoice)
    exact = aligned(
        [*(line.exact for line in shown.lines), shown.exact], shown.currency
    )
    rounding = aligned(
        [*(line.rounding for line in shown.lines), shown.rounding], shown.currency
    )
    return PrintedInvoice(
        document=shown,
        lines=[
            PrintedLine(
                line=line,
                quantity=count(line.quantity),
                exact=exact[number],
                rounding=rounding[number],
                charged=line.charged,
            )
            for number, line in enumerate(shown.lines)
        ],
        exact=exact[-1],
        rounding=rounding[-1],
        charged=shown.charged,
    )


def recent(*, tenant: Tenant | None) -> list[ListedInvoice]:
    """Return the latest invoices, of one tenant or of all."""
    return [
        ListedInvoice(
            invoice=invoice,
            name=invoice.number or "not issued",
            first_date=invoice.first_date,
            last_date=invoice.last_date,
            charged=format_minor(invoice.amount_minor, invoice.currency),
        )
        for invoice in invoices(tenant=tenant)[:RECENT_MAX]
    ]
