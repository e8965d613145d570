"""Money that bought credit left without being asked for here: its credit leaves too.

A refund or a charge back that is made at a provider has happened, whatever was used of
the credit meanwhile. What is left of it is taken back, and what was used is owed: the
wallet is below nothing, and admits nothing until more is bought. The invoice is open by
as much, until the money is here again, or it is certain that it stays away: then a note
takes that part of the sale back, with its tax.

Failure: all or nothing. A reference that was recorded before answers with that row.
Owns: such refunds, and the notes on them.
"""

import datetime as dt
from typing import Unpack

from kit.errors import Conflict
from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.ledger.models import CreditGrant
from metering.receivables.models import CreditNote, Payment, Refund
from metering.receivables.noting import Wanted, issue_credit_note
from metering.receivables.paying import RefundTerms, give_back, known_refund
from metering.receivables.settling import facts_of, held, settle
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
    if outlet == Refund.Outlet.PAID_BACK:
        try:
            with atomic():
                take_credit_away(invoice, Reversal.REFUND, now=now)
        except Conflict:
            # Some of it is used.
            pass
        else:
            return
    take_credit_away(invoice, Reversal.CHARGE_BACK, now=now)
