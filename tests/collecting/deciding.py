"""What Finance decides here of most invoices, once each: by the invoice's number alone.

Some while they are open: a note of a part or of all, given up, paid by transfer. Some
once they are paid: money that goes back, with a note and without, or becomes credit.
Of credit that was bought a third is taken back, and its money paid back. So that it can
be done again by whoever comes after one that was killed, and by two at once. Who pays
those neither disputes nor wants money back there as well.

Failure: what is not to be had any more as an invoice stands is left. Owns: nothing.
"""

import datetime as dt

import django

django.setup()

from django.db.models import Q  # noqa: E402

from kit.errors import Conflict  # noqa: E402
from metering.billing.models import Invoice  # noqa: E402
from metering.receivables.models import Payment, Refund  # noqa: E402
from metering.receivables.services import (  # noqa: E402
    Wanted,
    issue_credit_note,
    record_payment,
    refund_payment,
    write_off,
)

State = Invoice.State
# Of eleven invoices; the others are left to what their payers do.
KINDS = (
    *("part noted", "", "paid back", "given up", "", "kept as credit"),
    *("transfer", "", "refunded", "all noted", ""),
)
SOLD_BACK = "sold back"
SOLD_BACK_EVERY = 3
WHILE_OPEN = frozenset({"part noted", "given up", "transfer"})


def decided_as(invoice_id: int) -> str:
    """Return what is decided of an invoice, sooner or later; or nothing."""
    return KINDS[invoice_id % len(KINDS)]


def decide(*, now: dt.datetime) -> int:
    """Decide what can be decided by now; return of how many invoices."""
    rows = Invoice.objects.filter(
        Q(kind=Invoice.Kind.TOP_UP) | Q(provider="stripe") & ~Q(hosted_url=""),
        state__in=(State.OPEN, State.PAID),
    )
    return sum(_decide(row, now) for row in rows.order_by("pk"))


def _decide(invoice: Invoice, now: dt.datetime) -> bool:
    kind = decided_as(invoice.pk)
    if invoice.kind == Invoice.Kind.TOP_UP:
        kind = "" if invoice.pk % SOLD_BACK_EVERY else SOLD_BACK
    if not kind or (invoice.state == State.OPEN) != (kind in WHILE_OPEN):
        return False
    if _is_decided(invoice):
        return False
    try:
        _carry_out(kind, invoice, now)
    except Conflict:
        # It changed since it was looked at, and the next one decides; or it came to 0.
        return False
    return True


def _is_decided(invoice: Invoice) -> bool:
    return (
        invoice.notes.exists()
        or invoice.write_offs.exists()
        or Payment.objects.filter(reference=_transfer(invoice)).exists()
        or Refund.objects.filter(reference=_refund(invoice)).exists()
    )


def _carry_out(kind: str, invoice: Invoice, now: dt.datetime) -> None:
    if kind == "given up":
        write_off(invoice=invoice, reason="Nobody there.", now=now)
    elif kind == "transfer":
        record_payment(
            invoice=invoice,
            amount_minor=invoice.amount_minor,
            reference=_transfer(invoice),
            received_at=now,
            excess=Refund.Outlet.CREDIT,
            now=now,
        )
    elif kind == "refunded":
        payment = invoice.payments.order_by("pk").first()
        if payment is None:
            raise Conflict("Nothing was charged, so nothing goes back.")
        refund_payment(
            payment=payment,
            amount_minor=payment.amount_minor // 4,
            outlet=Refund.Outlet.PAID_BACK,
            reference=_refund(invoice),
            reason="Goodwill.",
            now=now,
        )
    else:
        issue_credit_note(invoice=invoice, wanted=_note(kind, invoice), now=now)


def _note(kind: str, invoice: Invoice) -> Wanted:
    dearest = max(invoice.lines.all(), key=lambda line: line.amount_minor)
    part = {dearest.position: max(dearest.amount_minor // 2, 1)}
    return Wanted(
        reason="Wrong price.",
        reference=f"note of {invoice.pk}",
        lines=None if kind in {"all noted", SOLD_BACK} else part,
        outlet="credit" if kind == "kept as credit" else "paid_back",
    )


def _transfer(invoice: Invoice) -> str:
    return f"transfer for {invoice.pk}"


def _refund(invoice: Invoice) -> str:
    return f"goodwill of {invoice.pk}"
