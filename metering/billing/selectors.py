"""Reads of billing: invoices, periods, and an invoice as people read it.

Failure: an unknown invoice raises `NotFound`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TypedDict, Unpack
from uuid import UUID

from django.db.models import F, QuerySet

from kit.contracts import TokenClass
from kit.errors import NotFound
from kit.money import (
    format_minor,
    format_picos,
    picos_from_minor,
)
from metering.billing.lines import CLASS_NAMES
from metering.billing.models import BillingProfile, Invoice, InvoiceLine, Period
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line as it is printed: amounts are text, exact or in the minor unit."""

    position: int
    kind: str
    description: str
    model: str
    token_class: str
    quantity: int
    price_per_million: str
    exact: str
    charged: str
    rounding: str


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that an invoice says; a draft has no number and no dates yet."""

    number: str | None
    state: str
    problem: str
    seller: str
    tenant: Tenant
    currency: str
    first_date: dt.date | None
    last_date: dt.date | None
    issued_date: dt.date | None
    due_date: dt.date | None
    lines: tuple[DocumentLine, ...]
    exact: str
    charged: str
    carried: str
    rounding: str
    lines_sha256: str


class Narrowing(TypedDict, total=False):
    """What invoices may be narrowed by.

    Of a period that ends after `from_date` and begins before `before_date`, some days
    lie between the two. Issued ones are all but drafts.
    """

    tenant: Tenant | None
    state: str
    number: str
    currency: str
    from_date: dt.date
    before_date: dt.date
    issued: bool


_DRAFT = Invoice.State.DRAFT
_FIELDS = {
    "tenant": "tenant",
    "state": "state",
    "number": "number",
    "currency": "currency",
    "from_date": "period__end_date__gt",
    "before_date": "period__first_date__lt",
}


def invoices(**narrowed: Unpack[Narrowing]) -> QuerySet[Invoice]:
    """Return invoices, the latest first, with tenant and period at hand."""
    # How many invoices the seller has issued is not for tenants to read.
    found = Invoice.objects.select_related("tenant", "period", "seller").defer(
        "seller__last_number"
    )
    issued = narrowed.pop("issued", None)
    if issued is not None:
        found = only_issued(found) if issued else found.filter(state=_DRAFT)
    exact = {
        _FIELDS[name]: value for name, value in narrowed.items() if value is not None
    }
    return found.filter(**exact).order_by("-id")


def only_issued(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """Leave drafts out."""
    return rows.exclude(state=_DRAFT)


def invoice_by_public_id(public_id: UUID) -> Invoice:
    """Return one invoice; raises `NotFound`."""
    found = invoices().filter(public_id=public_id).first()
    if found is None:
        raise NotFound(f"There is no invoice {public_id}.")
    return found


def billing_profiles(*, tenant: Tenant | None = None) -> QuerySet[BillingProfile]:
    """Return who tenants are on their invoices, by tenant."""
    # Lists go by an id: a profile's is its tenant's.
    found = BillingProfile.objects.annotate(id=F("tenant_id"))
    if tenant is not None:
        found = found.filter(tenant=tenant)
    return found.order_by("-tenant_id")


def lines_of(invoice: Invoice) -> QuerySet[InvoiceLine]:
    """Return an invoice's lines in order."""
    return invoice.lines.order_by("position")


def periods(*, tenant: Tenant | None = None) -> QuerySet[Period]:
    """Return periods, the latest first."""
    found = Period.objects.select_related("tenant")
    if tenant is not None:
        found = found.filter(tenant=tenant)
    return found.order_by("-first_date", "tenant_id")


def document(invoice: Invoice) -> Document:
    """Return an invoice as it is printed."""
    return Document(
        number=invoice.number,
        state=invoice.state,
        problem=invoice.problem,
        seller=invoice.seller.name,
        tenant=invoice.tenant,
        currency=invoice.currency,
        first_date=invoice.first_date,
        last_date=invoice.last_date,
        issued_date=invoice.issued_date,
        due_date=invoice.due_date,
        lines=tuple(_printed(line, invoice.currency) for line in lines_of(invoice)),
        exact=format_picos(invoice.exact_picos),
        charged=format_minor(invoice.amount_minor, invoice.currency),
        carried=carried_over(invoice),
        rounding=_rounding(invoice.amount_minor, invoice.exact_picos, invoice.currency),
        lines_sha256=invoice.lines_sha256,
    )


def carried_over(invoice: Invoice) -> str:
    """Return what of an open invoice comes with the next one instead, or nothing.

    It is less than its provider asks for by itself.
    """
    if not invoice.carried_minor or invoice.state != Invoice.State.OPEN:
        return ""
    return format_minor(invoice.carried_minor, invoice.currency)


def _printed(line: InvoiceLine, currency: str) -> DocumentLine:
    return DocumentLine(
        position=line.position,
        kind=line.kind,
        description=line.description,
        model=line.model,
        token_class=_class_of(line),
        quantity=line.quantity,
        price_per_million=line.price_per_million,
        exact=format_picos(line.exact_picos),
        charged=format_minor(line.amount_minor, currency),
        rounding=_rounding(line.amount_minor, line.exact_picos, currency),
    )


def _class_of(line: InvoiceLine) -> str:
    return "" if line.token_class is None else CLASS_NAMES[TokenClass(line.token_class)]


def _rounding(amount_minor: int, exact_picos: int, currency: str) -> str:
    """Return what rounding added to the exact amount, or took from it."""
    return format_picos(picos_from_minor(amount_minor, currency) - exact_picos)
