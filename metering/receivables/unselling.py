"""Take back credit that a top-up sold, as its invoice is credited.

Nobody has that credit before it is paid: an unpaid top-up is credited whole, and what
was paid of it goes back. Once it is paid, the credit is taken back with its price, and
the tax on it follows as on any line.

Failure: part of the note's transaction. What use has burned is not given back for
money; a bank that charges back asks nobody. Owns: nothing.
"""

import datetime as dt

from kit.errors import Conflict, InvalidRequest
from metering.billing.models import Invoice
from metering.ledger.models import CreditGrant
from metering.receivables.models import CreditNote, Refund
from metering.receivables.paying import EXCESS
from metering.receivables.sold import grants_of, take_credit_away

Outlet = Refund.Outlet
_Reversal = CreditGrant.Reversal
# Where money goes that bought credit which is taken back: never into credit again.
_REVERSALS = {
    Outlet.PAID_BACK: _Reversal.REFUND,
    Outlet.CHARGE_BACK: _Reversal.CHARGE_BACK,
}


def require_outlet(invoice: Invoice, outlet: str) -> None:
    """Refuse an outlet that makes no sense for what an invoice sold."""
    allowed = tuple(_REVERSALS) if grants_of(invoice) else EXCESS
    if outlet and outlet not in allowed:
        raise InvalidRequest(f"Choose one of: {', '.join(allowed)}.", param="outlet")


def take_credit_back(
    note: CreditNote, invoice: Invoice, outlet: str, *, now: dt.datetime
) -> None:
    """Take back of a top-up's credit what a note takes back of its price."""
    if invoice.kind != Invoice.Kind.TOP_UP:
        return
    if not grants_of(invoice):
        if note.amount_minor - note.tax_minor != invoice.subtotal_minor:
            raise Conflict(
                "Its credit is granted once all of it is paid: credit all of it.",
                param="lines",
            )
        return
    reversal = _REVERSALS[Outlet(outlet)] if outlet else _Reversal.REFUND
    take_credit_away(invoice, reversal, now=now)
