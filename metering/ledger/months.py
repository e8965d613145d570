"""Reads of what months moved: sums that follow the books as they are written.

A month is one of the tenant's billing days: a transaction belongs to the day that holds
its instant, the day's end included, so that November's use is November's in any zone.
Amounts of different currencies are never added. Failure: none; a month without postings
has no rows.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Min, Sum

from metering.ledger.models import Account, Movement, Transaction

_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Turnover:
    """What one kind of transaction debited and credited one kind of account.

    Of one month, or of all that were asked for; of one tenant, or of all.
    """

    account: Account.Kind
    kind: Transaction.Kind
    currency: str
    debited_picos: int
    credited_picos: int
    month: dt.date | None = None
    tenant_id: int | None = None

    @property
    def picos(self) -> int:
        """Return the difference: positive is a debit."""
        return self.debited_picos - self.credited_picos


@dataclass(frozen=True, slots=True)
class Balanced:
    """An account over a month: positive balances are debits."""

    account: Account.Kind
    currency: str
    opening_picos: int
    debited_picos: int
    credited_picos: int

    @property
    def closing_picos(self) -> int:
        """Return what stands on it at the month's end."""
        return self.opening_picos + self.debited_picos - self.credited_picos


def month_after(month: dt.date, count: int = 1) -> dt.date:
    """Return the first day of the month so many later, or earlier."""
    number = month.year * 12 + month.month - 1 + count
    return dt.date(number // 12, number % 12 + 1, 1)


def last_day(month: dt.date) -> dt.date:
    """Return the last day of a month."""
    return month_after(month) - _ONE_DAY


def turnovers(
    *,
    first: dt.date | None = None,
    last: dt.date | None = None,
    accounts: Collection[Account.Kind] = (),
    tenant_id: int | None = None,
    by_month: bool = False,
    by_tenant: bool = False,
) -> list[Turnover]:
    """Return what moved from one month to another, both included.

    Without `first` from the beginning; without `last` up to all that is booked.
    """
    rows = Movement.objects.all()
    if first is not None:
        rows = rows.filter(month__gte=first)
    if last is not None:
        rows = rows.filter(month__lte=last)
    if accounts:
        rows = rows.filter(account__kind__in=accounts)
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    names = ["account__kind", "kind", "account__currency"]
    names += ["month"] * by_month + ["tenant_id"] * by_tenant
    sums = rows.values(*names).annotate(
        debited=Sum("debited_picos"), credited=Sum("credited_picos")
    )
    return [_turnover(row) for row in sums.order_by(*names)]


def trial_balance(*, month: dt.date, tenant_id: int | None = None) -> list[Balanced]:
    """Return every account over a month, by currency and in the accounts' order.

    Per currency, debits equal credits, and balances sum to zero.
    """
    opening: dict[tuple[str, Account.Kind], int] = defaultdict(int)
    sides: dict[tuple[str, Account.Kind], list[int]] = defaultdict(lambda: [0, 0])
    before = month_after(month, -1)
    for row in turnovers(last=before, tenant_id=tenant_id):
        opening[row.currency, row.account] += row.picos
    for row in turnovers(first=month, last=month, tenant_id=tenant_id):
        side = sides[row.currency, row.account]
        side[0] += row.debited_picos
        side[1] += row.credited_picos
    order = list(Account.Kind)
    return [
        Balanced(
            account, currency, opening[currency, account], *sides[currency, account]
        )
        for currency, account in sorted(
            {*opening, *sides}, key=lambda key: (key[0], order.index(key[1]))
        )
    ]


def booked_months(*, tenant_id: int | None = None) -> tuple[dt.date, dt.date] | None:
    """Return the first and the last month with postings; None where there are none."""
    rows = Movement.objects.all()
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    found = rows.aggregate(first=Min("month"), last=Max("month"))
    return None if found["first"] is None else (found["first"], found["last"])


def booked_currencies() -> list[str]:
    """Return the currencies that anything is booked in, in order."""
    rows = Account.objects.order_by("currency").values_list("currency", flat=True)
    return list(rows.distinct())


def tenants_in(*, month: dt.date) -> int:
    """Return how many tenants' books a month moved."""
    rows = Movement.objects.filter(month=month)
    return rows.values("tenant_id").distinct().count()


def _turnover(row: dict[str, Any]) -> Turnover:
    return Turnover(
        account=Account.Kind(row["account__kind"]),
        kind=Transaction.Kind(row["kind"]),
        currency=row["account__currency"],
        debited_picos=int(row["debited"]),
        credited_picos=int(row["credited"]),
        month=row.get("month"),
        tenant_id=row.get("tenant_id"),
    )
