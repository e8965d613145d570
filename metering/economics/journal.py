"""A month's journal for other books: what each kind of transaction debits and credits.

Other books have minor units and ours have picos. A line is what its side comes to by
the month's end, rounded half up, less what it came to by the month before: so the lines
of all months never stray from the ledger by more than half a minor unit. What is left
of an entry is its line of rounding, so that each entry balances.

Failure: none; a month that nothing was booked in has no lines.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connections

from kit.money import minor_from_picos
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from metering.economics.code_models import AccountCode
from metering.ledger.models import Account, Transaction
from metering.ledger.months import Turnover, last_day, month_after, turnovers

ROWS_AT_ONCE = 2_000
# What lies a day outside of the month may be of it in another zone.
_ENTRIES = """
SELECT tenant.slug, booked.id, booked.kind, booked.source, booked.occurred_at,
    account.kind, account.currency, entry.amount_picos
FROM ledger_transaction booked
JOIN ledger_entry entry ON entry.transaction_id = booked.id
JOIN ledger_account account ON account.id = entry.account_id
LEFT JOIN tenants_tenant tenant ON tenant.id = booked.tenant_id
WHERE booked.occurred_at >= %(first)s::date - 1
    AND booked.occurred_at <= %(last)s::date + 2
    AND account.currency = %(currency)s
    AND ledger_book_date(booked.tenant_id, booked.occurred_at)
        BETWEEN %(first)s AND %(last)s
ORDER BY booked.id, entry.id
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an entry: one side of an account, in minor units and exactly."""

    date: dt.date
    kind: Transaction.Kind
    account: Account.Kind
    code: str
    name: str
    currency: str
    debit_minor: int
    credit_minor: int
    debit_picos: int
    credit_picos: int


class Booked(NamedTuple):
    """One entry of the ledger, as it is written out."""

    tenant: str | None
    transaction_id: int
    kind: str
    source: str
    occurred_at: dt.datetime
    account: str
    currency: str
    picos: int


_Sides = dict[tuple[Transaction.Kind, Account.Kind], tuple[int, int]]


def journal(*, month: dt.date, currency: str) -> list[Line]:
    """Return a month's lines by kind of transaction and in the accounts' order."""
    before = _sides(turnovers(last=month_after(month, -1)), currency)
    moved = _sides(turnovers(first=month, last=month), currency)
    names = {row.account: row for row in AccountCode.objects.all()}
    entries: dict[Transaction.Kind, dict[Account.Kind, list[int]]] = defaultdict(dict)
    for (kind, account), sides in moved.items():
        was = before.get((kind, account), (0, 0))
        entries[kind][account] = [
            *(_grown(old, new, currency) for old, new in zip(was, sides, strict=True)),
            *sides,
        ]
    return [
        _line(last_day(month), kind, account, currency, sides, names)
        for kind in Transaction.Kind
        if kind in entries
        for account, sides in _balanced(entries[kind])
    ]


def booked(*, month: dt.date, currency: str) -> Iterator[Booked]:
    """Yield every entry of a month, through a cursor in the database."""
    asked: dict[str, dt.date | str] = {
        "first": month,
        "last": last_day(month),
        "currency": currency,
    }
    # The cursor lives as long as its transaction.
    with atomic(), connections[current_alias()].chunked_cursor() as session:
        session.execute(_ENTRIES, asked)
        while found := session.fetchmany(ROWS_AT_ONCE):
            for row in found:
                yield Booked(*row)


def _sides(rows: Iterable[Turnover], currency: str) -> _Sides:
    return {
        (row.kind, row.account): (row.debited_picos, row.credited_picos)
        for row in rows
        if row.currency == currency
    }


def _grown(before_picos: int, moved_picos: int, currency: str) -> int:
    """Return by how many minor units a side grew, so that months add up."""
    return minor_from_picos(before_picos + moved_picos, currency) - minor_from_picos(
        before_picos, currency
    )


def _balanced(
    sides: dict[Account.Kind, list[int]],
) -> Iterator[tuple[Account.Kind, list[int]]]:
    """Yield an entry's sides, its rounding making it balance."""
    over = sum(debit - credit for debit, credit, *_ in sides.values())
    if over:
        rounding = sides.setdefault(Account.Kind.ROUNDING, [0, 0, 0, 0])
        rounding[1 if over > 0 else 0] += abs(over)
    for account in Account.Kind:
        if account in sides and any(sides[account]):
            yield account, sides[account]


def _line(
    date: dt.date,
    kind: Transaction.Kind,
    account: Account.Kind,
    currency: str,
    sides: list[int],
    names: dict[str, AccountCode],
) -> Line:
    row = names.get(account)
    return Line(
        date,
        kind,
        account,
        row.code if row else "",
        (row.name if row else "") or f"{account.label[:1].upper()}{account.label[1:]}",
        currency,
        *sides,
    )
