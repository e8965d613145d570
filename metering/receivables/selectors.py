"""Reads of receivables. Failure: an unknown row raises `NotFound`."""

from typing import TypeVar

from django.db.models import F, Model, QuerySet

from kit.errors import NotFound
from metering.billing.models import Invoice
from metering.receivables.models import CreditNote, DunningStep, Payment, Refund
from tenants.models import Tenant

_Row = TypeVar("_Row", bound=Model)

# What is open of an invoice, in its minor unit.
OPEN_MINOR = (
    F("amount_minor") - F("paid_minor") - F("credited_minor") - F("written_off_minor")
)


def unpaid(tenant: Tenant) -> "QuerySet[Invoice]":
    """Return the invoices that are open, the first due first, with `open_minor`."""
    rows = Invoice.objects.filter(tenant=tenant, state=Invoice.State.OPEN)
    return rows.annotate(open_minor=OPEN_MINOR).order_by("due_date", "id")


def payments(
    *,
    tenant: Tenant | None = None,
    invoice: int | None = None,
    reference: str | None = None,
) -> QuerySet[Payment]:
    """List payments, the latest first, with their invoice at hand."""
    rows = _of(Payment.objects.select_related("invoice"), tenant, invoice)
    if reference is not None:
        rows = rows.filter(reference=reference)
    return rows.order_by("-id")


def payment(payment_id: int) -> Payment:
    """Return one payment; raises `NotFound`."""
    row = payments().filter(pk=payment_id).first()
    if row is None:
        raise NotFound(f"There is no payment {payment_id}.")
    return row


def refunds(
    *,
    tenant: Tenant | None = None,
    payment: int | None = None,
    outlet: str | None = None,
) -> QuerySet[Refund]:
    """List refunds, the latest first, with their payment and invoice at hand."""
    rows = _of(Refund.objects.select_related("payment__invoice"), tenant, None)
    if payment is not None:
        rows = rows.filter(payment_id=payment)
    if outlet is not None:
        rows = rows.filter(outlet=outlet)
    return rows.order_by("-id")


def credit_notes(
    *,
    tenant: Tenant | None = None,
    invoice: int | None = None,
    number: str | None = None,
) -> QuerySet[CreditNote]:
    """List credit notes, the latest first, with their invoice at hand."""
    rows = _of(CreditNote.objects.select_related("invoice"), tenant, invoice)
    if number is not None:
        rows = rows.filter(number=number)
    return rows.order_by("-id")


def credit_note(note_id: int) -> CreditNote:
    """Return one credit note; raises `NotFound`."""
    row = credit_notes().filter(pk=note_id).first()
    if row is None:
        raise NotFound(f"There is no credit note {note_id}.")
    return row


def dunning_steps(
    *, tenant: Tenant | None = None, invoice: int | None = None
) -> QuerySet[DunningStep]:
    """List what was done about unpaid invoices, the latest first."""
    rows = _of(DunningStep.objects.select_related("invoice"), tenant, invoice)
    return rows.order_by("-id")


def issued_invoice(invoice_id: int) -> Invoice:
    """Return an invoice that was issued; raises `NotFound`."""
    row = Invoice.objects.filter(pk=invoice_id, number__isnull=False).first()
    if row is None:
        raise NotFound(f"There is no invoice {invoice_id}.")
    return row


def _of(
    rows: QuerySet[_Row], tenant: Tenant | None, invoice: int | None
) -> QuerySet[_Row]:
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    if invoice is not None:
        rows = rows.filter(invoice_id=invoice)
    return rows
