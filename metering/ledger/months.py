"""Reads of what months moved: sums that follow the books as they are written.

A month is one of the tenant's billing days: a transaction belongs to the day that holds
its instant, the day's end included, so that November's use is November's in any zone.
What all tenants moved is in totals that follow the merged sums, plus what is not merged
yet. Amounts of different currencies are never added. Failure: none; a month without
postings has no rows.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Min

from kit.orm.atomic import cursor
from metering.ledger.models import Account, Movement, Transaction

_ONE_DAY = dt.timedelta(days=1)
_WITHIN = """
    (%(first)s::date IS NULL OR {table}.month >= %(first)s)
    AND (%(last)s::date IS NULL OR {table}.month <= %(last)s)
"""
# Merged rows and parts are looked for apart: each has an index of its own.
_MOVED = f"""
    SELECT moved.tenant_id, moved.month, account.kind AS account_kind,
        account.currency, moved.kind, moved.debited_picos, moved.credited_picos
    FROM ledger_movement moved JOIN ledger_account account
        ON account.id = moved.account_id
    WHERE {_WITHIN.format(table="moved")}
        AND (%(accounts)s::text[] IS NULL OR account.kind = ANY (%(accounts)s))
"""  # noqa: S608 - put together from the constants above
_OF_TENANTS = f"""
    {_MOVED} AND (%(tenant)s::bigint IS NULL OR moved.tenant_id = %(tenant)s)
        AND NOT moved.is_part
    UNION ALL
    {_MOVED} AND (%(tenant)s::bigint IS NULL OR moved.tenant_id = %(tenant)s)
        AND moved.is_part
"""
_OF_ALL = f"""
    SELECT NULL::bigint AS tenant_id, total.month, total.account_kind, total.currency,
        total.kind, total.debited_picos, total.credited_picos
    FROM ledger_monthtotal total
    WHERE {_WITHIN.format(table="total")}
        AND (%(accounts)s::text[] IS NULL OR total.account_kind = ANY (%(accounts)s))
    UNION ALL
    {_MOVED} AND moved.is_part
"""  # noqa: S608 - put together from the constants above
_TURNOVERS = """
SELECT {names}, sum(debited_picos), sum(credited_picos) FROM ({rows}) AS found
GROUP BY {names} ORDER BY {names}
"""


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

    Without `first` from the beginning; without `last` up to all that is booked. What
    all tenants moved is read from the totals of months, however many tenants there are.
    """
    names = ["account_kind", "kind", "currency"]
    names += ["month"] * by_month + ["tenant_id"] * by_tenant
    of_all = tenant_id is None and not by_tenant
    statement = _TURNOVERS.format(
        names=", ".join(names), rows=_OF_ALL if of_all else _OF_TENANTS
    )
    asked = {
        "first": first,
        "last": last,
        "accounts": [str(each) for each in accounts] or None,
        "tenant": tenant_id,
    }
    with cursor() as session:
        session.execute(statement, asked)
        rows = session.fetchall()
    return [_turnover(dict(zip(names, row, strict=False)), *row[-2:]) for row in rows]


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


def book_date(*, tenant_id: int, at: dt.datetime) -> dt.date:
    """Return the day of a tenant's that what occurs then is booked on."""
    with cursor() as session:
        session.execute("SELECT ledger_book_date(%s, %s)", [tenant_id, at])
        (date,) = session.fetchone()
    assert isinstance(date, dt.date)  # noqa: S101 - for the type checker
    return date


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


def _turnover(row: dict[str, Any], debited: int, credited: int) -> Turnover:
    return Turnover(
        account=Account.Kind(row["account_kind"]),
        kind=Transaction.Kind(row["kind"]),
        currency=row["currency"],
        debited_picos=int(debited),
        credited_picos=int(credited),
        month=row.get("month"),
        tenant_id=row.get("tenant_id"),
    )
