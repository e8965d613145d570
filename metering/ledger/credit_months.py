"""What we owe in credit, month by month, and when what is left of it runs out.

Credit that was paid for, or given in place of money, stands on the wallet: a liability.
Promotional credit is none and stands beside it, never in the same sum. Opening + sold +
given - used - expired - taken back = closing, in the books' own entries.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BooleanField, Case, Count, F, Sum, Value, When
from django.db.models.functions import TruncMonth

from metering.ledger.models import Account, CreditGrant, Transaction
from metering.ledger.months import Turnover, month_after, turnovers

_Account = Account.Kind
_Kind = Transaction.Kind
_Source = CreditGrant.Source
# Where a grant of either is owed; what gives either away is taken from discounts.
_OWED_ON = {True: _Account.WALLET, False: _Account.PROMOTIONAL}
_ACCOUNTS = (*_OWED_ON.values(), _Account.DISCOUNTS)
_LEFT = F("amount_picos") - F("booked_picos") - F("expired_picos") - F("reversed_picos")
_IS_LIABILITY = Case(
    When(source=_Source.PROMOTIONAL, then=Value(False)),
    default=Value(True),
    output_field=BooleanField(),
)


@dataclass(frozen=True, slots=True)
class RolledForward:
    """Credit of one kind and currency over a month, all as amounts of credit.

    What goes is below zero; `other_picos` is what no usual posting moves, and zero.
    """

    is_liability: bool
    currency: str
    opening_picos: int = 0
    sold_picos: int = 0
    given_picos: int = 0
    used_picos: int = 0
    expired_picos: int = 0
    taken_back_picos: int = 0
    other_picos: int = 0

    @property
    def closing_picos(self) -> int:
        """Return what is left at the month's end."""
        return (
            self.opening_picos
            + self.sold_picos
            + self.given_picos
            + self.used_picos
            + self.expired_picos
            + self.taken_back_picos
            + self.other_picos
        )


@dataclass(frozen=True, slots=True)
class Expiring:
    """What is left of grants that run out in a month; None for those that never do."""

    month: dt.date | None
    is_liability: bool
    currency: str
    grants: int
    left_picos: int


_GOES = {
    _Kind.BURN: "used_picos",
    _Kind.EXPIRY: "expired_picos",
    _Kind.REVERSAL: "taken_back_picos",
}


def roll_forward(
    *, month: dt.date, tenant_id: int | None = None
) -> list[RolledForward]:
    """Return what a month moved of credit, the liability first, by currency."""
    opening = turnovers(
        last=month_after(month, -1), accounts=_ACCOUNTS, tenant_id=tenant_id
    )
    during = turnovers(first=month, last=month, accounts=_ACCOUNTS, tenant_id=tenant_id)
    return _rolled(opening, during)


def credit_by_tenant(*, month: dt.date) -> dict[int, list[RolledForward]]:
    """Return the same of each tenant that has, or had, credit in the month."""
    sides: dict[int, tuple[list[Turnover], list[Turnover]]] = defaultdict(
        lambda: ([], [])
    )
    for row in turnovers(
        last=month_after(month, -1), accounts=_ACCOUNTS, by_tenant=True
    ):
        sides[row.tenant_id or 0][0].append(row)
    for row in turnovers(first=month, last=month, accounts=_ACCOUNTS, by_tenant=True):
        sides[row.tenant_id or 0][1].append(row)
    return {
        tenant_id: [
            row
            for row in _rolled(*both)
            if row.opening_picos
            or row.closing_picos
            or row.sold_picos
            or row.given_picos
        ]
        for tenant_id, both in sides.items()
    }


def left_by_expiry() -> list[Expiring]:
    """Return what is left of credit by the month in which it runs out, of UTC.

    As the books have it: what was used today and is not booked yet is still in it.
    """
    rows = (
        CreditGrant.objects.annotate(
            left=_LEFT,
            month=TruncMonth("expires_at", tzinfo=dt.UTC),
            is_liability=_IS_LIABILITY,
        )
        .exclude(left=0)
        .values("month", "is_liability", "currency")
        .annotate(picos=Sum("left"), grants=Count("pk"))
        .order_by(F("month").asc(nulls_last=True), "-is_liability", "currency")
    )
    return [
        Expiring(
            month=row["month"].date() if row["month"] else None,
            is_liability=row["is_liability"],
            currency=row["currency"],
            grants=row["grants"],
            left_picos=int(row["picos"]),
        )
        for row in rows
    ]


def _rolled(
    opening: Iterable[Turnover], during: Iterable[Turnover]
) -> list[RolledForward]:
    sums: dict[tuple[str, bool], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    liability = {account: key for key, account in _OWED_ON.items()}
    for row in opening:
        if row.account in liability:
            # Owed to tenants: credited.
            sums[row.currency, liability[row.account]]["opening_picos"] -= row.picos
    for row in during:
        if row.account in liability:
            name = _name_of(row, is_liability=liability[row.account])
            sums[row.currency, liability[row.account]][name] -= row.picos
        elif row.kind == _Kind.CREDIT:
            # Both kinds are given away out of discounts; the promises are known.
            sums[row.currency, True]["given_picos"] += row.picos
    for row in during:
        if row.kind == _Kind.CREDIT and row.account == _Account.PROMOTIONAL:
            sums[row.currency, True]["given_picos"] += row.picos
    rows = []
    for (currency, is_liability), parts in sums.items():
        if is_liability:
            parts["sold_picos"] -= parts["given_picos"]
        rows.append(RolledForward(is_liability, currency, **parts))
    return sorted(rows, key=lambda row: (row.currency, not row.is_liability))


def _name_of(row: Turnover, *, is_liability: bool) -> str:
    if row.kind == _Kind.CREDIT:
        return "sold_picos" if is_liability else "given_picos"
    return _GOES.get(row.kind, "other_picos")
