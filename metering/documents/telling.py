"""Tell tenants of their bills by mail: an invoice with its PDF, a payment's receipt.

A scan of what was made within two days: each is told once, by the outbox's constraint,
however often it is looked at; what is older is nobody's news. A top-up's invoice is
paid as it is issued: its one mail is the receipt, with the PDF.

Failure: what cannot be composed any more is told to nobody, and the outbox says so.
Owns: what these mails say.
"""

import datetime as dt

from kit.money import format_minor
from metering.billing.models import Invoice
from metering.billing.selectors import only_issued
from metering.documents.models import Document
from metering.documents.selectors import document_of
from metering.receivables.models import Payment
from metering.usage.zones import date_at
from tenants.mail import plain
from tenants.mails.addresses import bill_readers
from tenants.mails.letter import Action, Attached, Letter, console_address
from tenants.mails.sending import Composed, tell_by_mail
from tenants.models import Mail

NEWS = dt.timedelta(days=2)
# The latest of each: what was made between two looks is far less.
LATEST = 2000


def tell(*, now: dt.datetime) -> int:
    """Let mails wait for what is new; return how many."""
    made = (
        Document.objects.filter(kind=Document.Kind.INVOICE)
        .order_by("-id")
        .values_list("tenant_id", "subject_id", "made_at")[:LATEST]
    )
    issued = [(tenant, pk, 0) for tenant, pk, at in made if at > now - NEWS]
    bought = set(
        Invoice.objects.filter(
            pk__in=[pk for _, pk, _ in issued], kind=Invoice.Kind.TOP_UP
        ).values_list("pk", flat=True)
    )
    bills = [each for each in issued if each[1] not in bought]
    paid = Payment.objects.order_by("-id").values_list("tenant_id", "pk", "created_at")[
        :LATEST
    ]
    receipts = [(tenant, pk, 0) for tenant, pk, at in paid if at > now - NEWS]
    return tell_by_mail(kind=Mail.Kind.INVOICE, told=bills, now=now) + tell_by_mail(
        kind=Mail.Kind.PAYMENT, told=receipts, now=now
    )


def issued_letter(mail: Mail) -> Composed | None:
    """Compose the mail of an issued invoice."""
    invoice = (
        only_issued(Invoice.objects.select_related("tenant", "period"))
        .filter(pk=mail.subject_id)
        .first()
    )
    if invoice is None:
        return None
    return Composed(letter_of(invoice), bill_readers(invoice.tenant))


def letter_of(invoice: Invoice) -> Letter:
    """Return what the mail of an invoice says; its PDF goes along."""
    tenant, amount = plain(invoice.tenant.name), _said(invoice, invoice.amount_minor)
    due = f"{invoice.due_date}" if invoice.due_date else "now"
    period = (
        f"{invoice.first_date} to {invoice.last_date}, days of {invoice.tenant.zone}"
        if invoice.first_date
        else "credit bought"
    )
    is_open = invoice.state == Invoice.State.OPEN
    return Letter(
        subject=f"{tenant}: invoice {invoice.number}, {amount}"
        + (f", due {due}" if is_open else ""),
        headline=f"Invoice {invoice.number}: {amount}",
        paragraphs=(
            f"Please pay it by {due}." if is_open else "There is nothing to be paid.",
        ),
        facts=(
            ("Tenant", f"“{tenant}”"),
            ("For", period),
            ("Before tax and credit", _said(invoice, invoice.subtotal_minor)),
            ("Tax", _said(invoice, invoice.tax_minor)),
            ("Total", amount),
            ("Due", due if is_open else "paid"),
        ),
        action=Action(
            "Pay the invoice" if _is_paid_online(invoice) else "Open the invoice",
            _page(invoice),
        ),
        small=("Each line opens to its days and requests on that page.",),
        attached=_pdf(invoice),
    )


def received_letter(mail: Mail) -> Composed | None:
    """Compose the receipt of a payment."""
    payment = (
        Payment.objects.select_related("invoice__tenant", "invoice__period")
        .filter(pk=mail.subject_id)
        .first()
    )
    if payment is None:
        return None
    tenant = payment.invoice.tenant
    return Composed(receipt_of(payment), bill_readers(tenant))


def receipt_of(payment: Payment) -> Letter:
    """Return the receipt of a payment; that of credit says that it is there."""
    invoice = payment.invoice
    tenant, amount = plain(invoice.tenant.name), _said(invoice, payment.amount_minor)
    left = (
        invoice.amount_minor
        - invoice.paid_minor
        - invoice.credited_minor
        - invoice.written_off_minor
    )
    is_credit = invoice.kind == Invoice.Kind.TOP_UP
    follows = (
        "The credit is there and can be used."
        if is_credit and left <= 0
        else f"{_said(invoice, left)} of the invoice is still open."
        if left > 0
        else "The invoice is paid. There is nothing left to do."
    )
    return Letter(
        subject=f"{tenant}: {amount} received for"
        f" {'credit' if is_credit else f'invoice {invoice.number}'}",
        headline=f"{amount} received. Thank you.",
        paragraphs=(follows,),
        facts=(
            ("Tenant", f"“{tenant}”"),
            ("Invoice", invoice.number or ""),
            ("Received", f"{date_at(payment.received_at, invoice.tenant.zone)}"),
            ("By", str(payment.get_method_display())),
            ("Amount", amount),
        ),
        action=Action("Open the invoice", _page(invoice)),
        attached=_pdf(invoice) if is_credit else (),
    )


def _said(invoice: Invoice, minor: int) -> str:
    return format_minor(minor, invoice.currency)


def _page(invoice: Invoice) -> str:
    rest = f"billing/invoices/{invoice.public_id}/"
    return console_address(invoice.tenant.slug, rest)


def _is_paid_online(invoice: Invoice) -> bool:
    return invoice.provider != "offline" and invoice.state == Invoice.State.OPEN


def _pdf(invoice: Invoice) -> tuple[Attached, ...]:
    kept = document_of(invoice)
    return (Attached(f"{kept.number}.pdf", bytes(kept.pdf)),) if kept else ()
