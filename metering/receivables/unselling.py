"""Take back credit that a top-up sold, as its invoice is credited.

Nobody has that credit before it is paid: an unpaid top-up is credited whole, and what
was paid of it goes back. Once it is paid, the credit is taken back with its price, and
the tax on it follows as on any line.

Failure: part of the note's transaction. What use has burned is not given back for
money; a bank that charges back asks nobody. Owns: nothing.
"""

import datetime as dt

from kit.errors import Conflict, InvalidRequest
from kit.money import picos_from_minor
from metering.billing.models import Invoice
from metering.ledger.models import Account, CreditGrant
from metering.ledger.services import reverse_credit
from metering.receivables.models import CreditNote, Refund
from metering.receivables.paying import EXCESS

Outlet = Refund.Outlet
_Reversal = CreditGrant.Reversal
# Where money goes that bought credit which is taken back: never into credit again.
_REVERSALS = {
    Outlet.PAID_BACK: _Reversal.REFUND,
    Outlet.CHARGE_BACK: _Reversal.CHARGE_BACK,
}


def sold_by(invoice: Invoice) -> CreditGrant | None:
    """Return the credit that an invoice sold; None before that is paid."""
    if invoice.kind != Invoice.Kind.TOP_UP:
        return None
    return CreditGrant.objects.filter(
        tenant_id=invoice.tenant_id,
        source=CreditGrant.Source.TOP_UP,
        reference=invoice.basis.get("top_up", ""),
    ).first()


def require_outlet(invoice: Invoice, outlet: str) -> None:
    """Refuse an outlet that makes no sense for what an invoice sold."""
    allowed = EXCESS if sold_by(invoice) is None else tuple(_REVERSALS)
    if outlet and outlet not in allowed:
        raise InvalidRequest(f"Choose one of: {', '.join(allowed)}.", param="outlet")


def take_credit_back(
    note: CreditNote, invoice: Invoice, outlet: str, *, now: dt.datetime
) -> None:
    """Take back of a top-up's credit what a note takes back of its price."""
    if invoice.kind != Invoice.Kind.TOP_UP:
        return
    net = note.amount_minor - note.tax_minor
    grant = sold_by(invoice)
    if grant is None:
        if net != invoice.subtotal_minor:
            raise Conflict(
                "Its credit is granted once all of it is paid: credit all of it.",
                param="lines",
            )
        return
    reversal = _REVERSALS[Outlet(outlet)] if outlet else _Reversal.REFUND
    reverse_credit(
        grant=grant,
        amount_picos=picos_from_minor(net, invoice.currency),
        reversal=reversal,
        given_to=Account.Kind.DEFERRED,
        now=now,
    )
