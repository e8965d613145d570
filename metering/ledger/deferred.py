"""What was sold ahead and what of it was earned, month by month: booked, recognised.

Sold ahead are credit that was paid for, or given in place of money, and fees and
top-ups that were charged in advance: owed to tenants until it is used, expires, is
earned or goes back. Opening + booked - recognised - returned = closing, which is what
stands on the two accounts. Amounts are positive where they are owed.
"""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from metering.ledger.models import Account, Transaction
from metering.ledger.months import month_after, turnovers

_Kind = Transaction.Kind
ACCOUNTS = (Account.Kind.WALLET, Account.Kind.DEFERRED)
# Both accounts together: a top-up that is paid moves from the one to the other.
_BOOKED = (_Kind.INVOICE, _Kind.CREDIT)
_RECOGNISED = {_Kind.BURN: "used_picos", _Kind.FEE: "fees_picos"}


@dataclass(frozen=True, slots=True)
class Deferred:
    """A month of what was sold ahead; what goes is below zero."""

    month: dt.date
    currency: str
    opening_picos: int = 0
    booked_picos: int = 0
    used_picos: int = 0
    fees_picos: int = 0
    expired_picos: int = 0
    returned_picos: int = 0

    @property
    def recognised_picos(self) -> int:
        """Return what was earned of it, as an amount above zero."""
        return -(self.used_picos + self.fees_picos + self.expired_picos)

    @property
    def closing_picos(self) -> int:
        """Return what is owed at the month's end."""
        return (
            self.opening_picos
            + self.booked_picos
            - self.recognised_picos
            + self.returned_picos
        )


def deferred_by_month(
    *, first: dt.date, last: dt.date, currency: str
) -> list[Deferred]:
    """Return each month of a range, whether or not anything moved in it."""
    before = turnovers(last=month_after(first, -1), accounts=ACCOUNTS)
    owed = -sum(row.picos for row in before if row.currency == currency)
    moved: dict[dt.date | None, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in turnovers(first=first, last=last, accounts=ACCOUNTS, by_month=True):
        if row.currency == currency:
            moved[row.month][_name_of(row.kind)] -= row.picos
    found, month = [], first
    while month <= last:
        each = Deferred(month, currency, opening_picos=owed, **moved[month])
        found.append(each)
        owed, month = each.closing_picos, month_after(month)
    return found


def _name_of(kind: Transaction.Kind) -> str:
    if kind in _BOOKED:
        return "booked_picos"
    if kind is _Kind.EXPIRY:
        return "expired_picos"
    return _RECOGNISED.get(kind, "returned_picos")
