"""Money comes in for an invoice, and goes back.

A payment is recorded with all that came in. What is more than was open goes back at
once, to the payer or into the tenant's credit, as whoever records it says; so what was
paid of an invoice is never more than it asked for. Money for an invoice that was given
up brings it back.

Failure: all or nothing. A reference that was recorded before answers with that row, and
is a `Conflict` with other terms. Owns: payments, refunds and their postings.
"""

import datetime as dt
import re
from typing import Required, TypedDict, Unpack

from django.db.models import Sum

from kit.errors import Conflict, InvalidRequest
from kit.money import format_minor, picos_from_minor
from kit.orm.atomic import atomic
from kit.orm.saving import create
from metering.billing.models import Invoice
from metering.ledger.models import Account, CreditGrant, Transaction
from metering.ledger.months import book_date
from metering.ledger.services import grant_credit
from metering.receivables.giving_up import take_back
from metering.receivables.models import Payment, Refund
from metering.receivables.settling import (
    book,
    facts_of,
    held,
    require_reference,
    settle,
)
from metering.receivables.sold import bring_credit_again

Outlet = Refund.Outlet
# Where money that was too much may go; a charge back is the bank's doing, not ours.
EXCESS = (Outlet.PAID_BACK, Outlet.CREDIT)
# What `give_back` is called with by payments and credit notes: one of theirs that was
# taken before would refuse them.
_OURS = re.compile(r"of payment [0-9]+\s*$")


class PaymentTerms(TypedDict, total=False):
    """What came in: minor units of the invoice's currency, and under which reference.

    `excess` is one of `EXCESS`: where what is too much goes.
    """

    amount_minor: Required[int]
    reference: Required[str]
    received_at: Required[dt.datetime]
    method: str
    excess: str


class RefundTerms(TypedDict):
    """What goes back of a payment, how, and why; minor units."""

    amount_minor: int
    outlet: str
    reference: str
    reason: str


def record_payment(
    *, invoice: Invoice, now: dt.datetime, **terms: Unpack[PaymentTerms]
) -> Payment:
    """Record what came in for an invoice, once for each reference of a tenant.

    Raises `Conflict` for more than is open unless `excess` says where it goes, and
    `InvalidRequest` for what makes no sense.
    """
    excess_to = terms.pop("excess", "")
    require_reference(terms["reference"])
    if terms["received_at"] > now:
        raise InvalidRequest("It has not come in yet.", param="received_at")
    if excess_to and excess_to not in EXCESS:
        raise InvalidRequest(f"Choose one of: {', '.join(EXCESS)}.", param="excess")
    with atomic():
        row = held(invoice)
        known = Payment.objects.filter(
            tenant_id=row.tenant_id, reference=terms["reference"]
        ).first()
        if known is not None:
            return _same(known, row, terms)
        facts = facts_of(row)
        given_up = min(
            facts.written_off_minor, max(terms["amount_minor"] - facts.open_minor, 0)
        )
        excess = terms["amount_minor"] - facts.open_minor - given_up
        if excess > 0 and not excess_to:
            raise _too_much(row, facts.open_minor + facts.written_off_minor)
        payment = Payment(tenant_id=row.tenant_id, invoice=row, **terms)
        payment.booked_date = book_date(tenant_id=row.tenant_id, at=now)
        create(payment, action="record")
        cash = {Account.Kind.CASH: payment.amount_minor}
        book(row, Transaction.Kind.PAYMENT, f"payment {payment.pk}", cash, now=now)
        if given_up:
            take_back(row, given_up, reason=f"paid: {payment.reference}", now=now)
        if excess > 0:
            give_back(
                payment,
                amount_minor=excess,
                outlet=excess_to,
                reference=f"excess of payment {payment.pk}",
                reason="More came in than was open.",
                now=now,
            )
        bring_credit_again(row, now=now)
        settle(row, now=now)
    return payment


def refund_payment(
    *, payment: Payment, now: dt.datetime, **terms: Unpack[RefundTerms]
) -> Refund:
    """Give a part of a payment back, or note that a bank took it back.

    The invoice is open again by as much, until it is paid or credited. Raises
    `Conflict` for more than is left of the payment.
    """
    require_reference(terms["reference"])
    if _OURS.search(terms["reference"]):
        raise InvalidRequest(
            "We write references like this ourselves: choose another one.",
            param="reference",
        )
    if terms["outlet"] not in Outlet.values:
        raise InvalidRequest(
            f"Choose one of: {', '.join(Outlet.values)}.", param="outlet"
        )
    with atomic():
        invoice = held(payment.invoice)
        known = known_refund(payment, terms)
        if known is not None:
            return known
        if invoice.kind == Invoice.Kind.TOP_UP:
            raise Conflict(
                "It paid for credit: credit its invoice instead, which takes that back"
                " with its tax and gives the money back."
            )
        refund = give_back(payment, now=now, **terms)
        settle(invoice, now=now)
    return refund


def give_back(
    payment: Payment, *, now: dt.datetime, **terms: Unpack[RefundTerms]
) -> Refund:
    """Book what goes back of a payment whose invoice is held; the caller settles it."""
    invoice = payment.invoice
    left = left_of(payment)
    if terms["amount_minor"] > left:
        raise Conflict(
            f"Of this payment {format_minor(left, invoice.currency)} is left: give no"
            " more back.",
            param="amount_minor",
        )
    refund = Refund(tenant_id=payment.tenant_id, payment=payment, refunded_at=now)
    refund.booked_date = book_date(tenant_id=payment.tenant_id, at=now)
    for name, value in terms.items():
        setattr(refund, name, value)
    create(refund, action="refund")
    cash = {Account.Kind.CASH: -refund.amount_minor}
    book(invoice, Transaction.Kind.REFUND, f"refund {refund.pk}", cash, now=now)
    if refund.outlet == Outlet.CREDIT:
        grant_credit(
            tenant=invoice.tenant,
            now=now,
            source=CreditGrant.Source.TOP_UP,
            amount_picos=picos_from_minor(refund.amount_minor, invoice.currency),
            reference=kept_as(refund),
        )
    return refund


def kept_as(refund: Refund) -> str:
    """Return the reference of the credit that a refund was kept as."""
    return f"refund {refund.pk} of invoice {refund.payment.invoice.number}"


def left_of(payment: Payment) -> int:
    """Return what has not gone back of a payment, in minor units."""
    back = payment.refunds.aggregate(total=Sum("amount_minor"))["total"] or 0
    return payment.amount_minor - int(back)


def _same(known: Payment, invoice: Invoice, terms: PaymentTerms) -> Payment:
    asked = {"method": Payment.Method.TRANSFER, **terms}
    same = all(getattr(known, name) == value for name, value in asked.items())
    if known.invoice_id != invoice.pk or not same:
        raise Conflict(
            "Another payment was recorded under this reference: choose another one.",
            param="reference",
        )
    return known


def known_refund(payment: Payment, terms: RefundTerms) -> Refund | None:
    """Return what was recorded under a reference; a `Conflict` with other terms."""
    known = Refund.objects.filter(
        tenant_id=payment.tenant_id, reference=terms["reference"]
    ).first()
    if known is None:
        return None
    same = all(getattr(known, name) == value for name, value in terms.items())
    if known.payment_id != payment.pk or not same:
        raise Conflict(
            "Another refund was made under this reference: choose another one.",
            param="reference",
        )
    return known


def _too_much(invoice: Invoice, most_minor: int) -> Conflict:
    most = format_minor(most_minor, invoice.currency)
    return Conflict(
        f"Of invoice {invoice.number} {most} is unpaid: say by excess whether the rest"
        " is paid back or kept as credit.",
        param="amount_minor",
    )
