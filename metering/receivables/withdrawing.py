"""Money that bought credit left without being asked for here: its credit leaves too.

A refund or a charge back that is made at a provider has happened, whatever was used of
the credit meanwhile. What is left of it is taken back, and what was used is owed: the
wallet is below nothing, and admits nothing until more is bought. The invoice is open by
as much, until the money is here again, or it is certain that it stays away: then a note
takes that part of the sale back, with its tax.

What was paid too much is kept as credit. When its money leaves, so does that.

Failure: all or nothing. A reference that was recorded before answers with that row.
Owns: such refunds, and the notes on them.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Unpack

from kit.errors import Conflict
from kit.money import picos_from_minor
from kit.orm.atomic import atomic
from kit.orm.saving import create
from metering.billing.models import Invoice
from metering.ledger.models import Account, CreditGrant, Transaction
from metering.ledger.services import reverse_credit
from metering.receivables.models import CreditNote, Payment, Refund
from metering.receivables.noting import Wanted, issue_credit_note
from metering.receivables.paying import RefundTerms, give_back, kept_as, known_refund
from metering.receivables.settling import book, facts_of, held, settle
from metering.receivables.sold import grants_of, take_credit_away

Reversal = CreditGrant.Reversal


def withdraw(
    *, payment: Payment, now: dt.datetime, **terms: Unpack[RefundTerms]
) -> Refund:
    """Record money of a top-up that left, and take the credit for it away.

    Raises `Conflict` for more than is left of the payment, or of the credit.
    """
    with atomic():
        invoice = held(payment.invoice)
        known = known_refund(payment, terms)
        if known is not None:
            return known
        refund = give_back(payment, now=now, **terms)
        _take_away(invoice, refund.outlet, now)
        settle(invoice, now=now)
    return refund


def kept_as_credit(
    payments: Iterable[Payment], most_minor: int
) -> list[tuple[Refund, int]]:
    """Return what of payments was kept as credit that can be taken back, up to `most`.

    Each as the refund that kept it, and how much of it, the latest first.
    """
    rows = Refund.objects.filter(
        payment__in=list(payments), outlet=Refund.Outlet.CREDIT
    )
    found, left = [], most_minor
    for refund in rows.select_related("payment__invoice").order_by("-pk"):
        grant = _grant_of(refund)
        unit = picos_from_minor(1, grant.currency)
        part = min(left, int((grant.amount_picos - grant.reversed_picos) // unit))
        if part > 0:
            found.append((refund, part))
            left -= part
    return found


def withdraw_kept(
    *, refund: Refund, now: dt.datetime, **terms: Unpack[RefundTerms]
) -> Refund:
    """Record money that left after it was kept as credit, and take that credit away.

    The credit is money of its invoice once more, and that goes back. Raises `Conflict`
    for more than was kept.
    """
    with atomic():
        invoice = held(refund.payment.invoice)
        known = Refund.objects.filter(
            tenant_id=refund.tenant_id, reference=terms["reference"]
        ).first()
        if known is not None:
            return known
        amount = terms["amount_minor"]
        _reverse(_grant_of(refund), amount, terms["outlet"], now)
        payment = Payment(
            tenant_id=refund.tenant_id,
            invoice=invoice,
            amount_minor=amount,
            method=Payment.Method.OTHER,
            reference=f"{terms['reference']} out of credit",
            received_at=now,
        )
        create(payment, action="record")
        cash = {Account.Kind.CASH: amount}
        book(invoice, Transaction.Kind.PAYMENT, f"payment {payment.pk}", cash, now=now)
        made = give_back(payment, now=now, **terms)
        settle(invoice, now=now)
    return made


def give_up_withdrawn(
    *, invoice: Invoice, wanted: Wanted, now: dt.datetime
) -> CreditNote | None:
    """Take the sale back whose money stays away: so much of it as is still open.

    None where nothing of it is open, or no credit was sold; once for its reference.
    """
    with atomic():
        row = held(invoice)
        known = CreditNote.objects.filter(
            tenant_id=row.tenant_id, reference=wanted.reference
        ).first()
        if known is not None:
            return known
        gross = min(wanted.gross_minor or 0, facts_of(row).open_minor)
        if gross <= 0 or not grants_of(row):
            return None
        less = Wanted(
            wanted.reason, wanted.reference, outlet=wanted.outlet, gross_minor=gross
        )
        return issue_credit_note(invoice=row, wanted=less, now=now)


def _take_away(invoice: Invoice, outlet: str, now: dt.datetime) -> None:
    """Take unused credit as what it was, and more of it as charged back."""

    def take(reversal: str) -> None:
        take_credit_away(invoice, reversal, now=now)

    _unused_first(take, outlet)


def _reverse(grant: CreditGrant, minor: int, outlet: str, now: dt.datetime) -> None:
    """Take back of a grant what money paid for that left; it left as cash."""
    picos = picos_from_minor(minor, grant.currency)

    def take(reversal: str) -> None:
        reverse_credit(grant=grant, amount_picos=picos, reversal=reversal, now=now)

    _unused_first(take, outlet)


def _unused_first(take: Callable[[str], None], outlet: str) -> None:
    if outlet == Refund.Outlet.PAID_BACK:
        try:
            with atomic():
                take(Reversal.REFUND)
        except Conflict:
            # Some of it is used, or has run out.
            pass
        else:
            return
    take(Reversal.CHARGE_BACK)


def _grant_of(refund: Refund) -> CreditGrant:
    return CreditGrant.objects.get(
        tenant_id=refund.tenant_id, reference=kept_as(refund)
    )
