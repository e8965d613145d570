"""Take back payments whose money left at the provider, and bring it in again.

The money is gone, or here again, whatever we think of it: what a refund or a bank did
is recorded on the payments that it was about, those of the latest invoice first. Where
it had bought credit, that leaves and returns with it.

Failure: all or nothing. Raises `Conflict` where more went back than is left of them.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metering.billing.models import Invoice
from metering.collection.following.linking import Source, link_payment, spread
from metering.collection.models import ProviderPayment
from metering.receivables.models import CreditNote, Payment, Refund
from metering.receivables.noting import Wanted
from metering.receivables.paying import left_of, record_payment, refund_payment
from metering.receivables.settling import held
from metering.receivables.withdrawing import (
    give_up_withdrawn,
    kept_as_credit,
    withdraw,
    withdraw_kept,
)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Money that left: how, why, and how it is called."""

    amount_minor: int
    outlet: str
    reason: str
    reference: str


def hold_all(payments: Iterable[Payment]) -> None:
    """Lock the invoices of payments, which come with the latest invoice first."""
    for invoice in dict.fromkeys(payment.invoice for payment in payments):
        held(invoice)


def take_back(
    payments: Sequence[Payment], leaving: Leaving, *, now: dt.datetime
) -> list[Refund]:
    """Record what left of payments whose invoices are held, once for its reference."""
    known = recorded(payments, leaving.reference)
    if known:
        return known
    made: list[Refund] = []
    missing = leaving.amount_minor - sum(left_of(payment) for payment in payments)
    kept = kept_as_credit(payments, missing) if missing > 0 else []
    parts = leaving.amount_minor - sum(part for _, part in kept)
    for payment, part in spread(parts, payments):
        has_bought = payment.invoice.kind == Invoice.Kind.TOP_UP
        take = withdraw if has_bought else refund_payment
        made.append(
            take(
                payment=payment,
                amount_minor=part,
                outlet=leaving.outlet,
                reference=_part(leaving.reference, payment, is_first=not made),
                reason=leaving.reason,
                now=now,
            )
        )
    for refund, part in kept:
        name = _part(leaving.reference, refund.payment, is_first=not made)
        again = withdraw_kept(
            refund=refund,
            amount_minor=part,
            outlet=leaving.outlet,
            # One payment may have been kept in several parts.
            reference=f"{name} kept {refund.pk}" if made else name,
            reason=leaving.reason,
            now=now,
        )
        _link_as(refund.payment, again.payment, reference=again.reference)
        made.append(again)
    return made


def unsell(
    payments: Iterable[Payment], leaving: Leaving, *, now: dt.datetime
) -> list[CreditNote]:
    """Take the sale of credit back whose money left for good, once for its reference.

    What else was sold stays sold: people decide whether it is still to be paid.
    """
    invoices = dict.fromkeys(
        payment.invoice
        for payment in payments
        if payment.invoice.kind == Invoice.Kind.TOP_UP
    )
    wanted = Wanted(
        leaving.reason,
        leaving.reference,
        outlet=leaving.outlet,
        gross_minor=leaving.amount_minor,
    )
    notes = [
        give_up_withdrawn(invoice=invoice, wanted=wanted, now=now)
        for invoice in invoices
    ]
    return [note for note in notes if note is not None]


def recorded(payments: Sequence[Payment], reference: str) -> list[Refund]:
    """Return what was recorded of such a reference, on any of the payments."""
    rows = Refund.objects.filter(
        payment__in=payments, reference__startswith=f"{reference}"
    )
    exact = (f"{reference}", f"{reference}, part ")
    return [
        row
        for row in rows.select_related("payment__invoice").order_by("pk")
        if row.reference == exact[0] or row.reference.startswith(exact[1])
    ]


def bring_again(
    refunds: Iterable[Refund], *, reference: str, now: dt.datetime
) -> list[Payment]:
    """Record that money of refunds is here again, once for the reference."""
    made: list[Payment] = []
    for refund in refunds:
        payment = refund.payment
        name = _part(reference, payment, is_first=not made)
        known = Payment.objects.filter(
            tenant_id=payment.tenant_id, reference=name
        ).first()
        if known is None:
            known = record_payment(
                invoice=payment.invoice,
                amount_minor=refund.amount_minor,
                reference=name,
                method=payment.method,
                received_at=now,
                excess=Refund.Outlet.CREDIT,
                now=now,
            )
            _link_as(payment, known, reference=name)
        made.append(known)
    return made


def _link_as(known: Payment, again: Payment, *, reference: str) -> None:
    """Let what is here again be found by what it was paid with."""
    link = ProviderPayment.objects.filter(payment=known).first()
    if link is not None:
        source = Source(link.account, link.intent, link.charge)
        link_payment(payment=again, source=source, reference=reference)


def _part(reference: str, payment: Payment, *, is_first: bool) -> str:
    return reference if is_first else f"{reference}, part {payment.pk}"
