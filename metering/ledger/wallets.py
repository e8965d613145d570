"""A tenant's credit as it is told of: what is left now, and what moved it, like a bank.

A statement is the books: wallet and promotional credit together, positive for what the
tenant has. Burns are in it once they are booked, as of that instant. What burned since
and what running requests hold is not: it is told apart, as pending.

Failure: none of its own.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db.models import Q, QuerySet, Sum

from kit.orm.atomic import cursor
from metering.budgets.selectors import CREDIT, standing
from metering.ledger.models import Account, Entry, Transaction
from tenants.models import Tenant

EXPIRES_SOON = dt.timedelta(days=30)
_HELD = (Account.Kind.WALLET, Account.Kind.PROMOTIONAL)

# Owed to the tenant, so a credit entry is what it has more.
_PICOS = -Sum("entries__amount_picos")

# Grants as of now: what use has taken of each, also since that was last settled.
_GRANTS = """
WITH credit AS (
    SELECT it.*, coalesce(burning.burned, it.burned_picos) AS burned,
        coalesce(burning.unused, 0) AS unused
    FROM ledger_creditgrant it
    LEFT JOIN credit_burning(%(tenant)s, coalesce((
        SELECT posted FROM budgets_window WHERE tenant_id = %(tenant)s
            AND kind = 'credit'
    ), 0)) burning ON burning.grant_id = it.id
    WHERE it.tenant_id = %(tenant)s
)
SELECT coalesce(sum(amount_picos), 0), coalesce(sum(burned), 0),
    coalesce(sum(burned - booked_picos), 0),
    coalesce(sum(expired_picos), 0), coalesce(sum(reversed_picos), 0),
    coalesce(sum(unused), 0), (
        SELECT array_agg(ARRAY[extract(epoch FROM expires_at), picos]
            ORDER BY expires_at)
        FROM (
            SELECT expires_at, sum(unused) AS picos FROM credit
            WHERE unused > 0 AND expires_at <= %(soon)s GROUP BY expires_at
        ) AS soon
    )
FROM credit
"""


@dataclass(frozen=True, slots=True)
class Coming:
    """Credit that expires soon unless it is used, in picos."""

    at: dt.datetime
    picos: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """All credit of a tenant at an instant, in picos.

    `granted` is `burned` + `expired` + `reversed` + `left`. Of what burned, `pending`
    is not in the books yet. `held` is what running requests of a prepaid tenant have
    used so far: of what is left the rest is `available`.
    """

    tenant_id: int
    currency: str
    at: dt.datetime
    granted: int
    burned: int
    pending: int
    expired: int
    reversed: int
    left: int
    held: int
    expiring: tuple[Coming, ...]

    @property
    def available(self) -> int:
        """Return what may still be used."""
        return max(self.left - self.held, 0)


@dataclass(frozen=True, slots=True)
class Moved:
    """A line of a statement: one posting, and the balance after it, in picos."""

    transaction: Transaction
    picos: int
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What credit did from `start` to before `end`: the balances, and sums by kind."""

    tenant_id: int
    currency: str
    start: dt.datetime
    end: dt.datetime
    opening: int
    closing: int
    moved: tuple[tuple[Transaction.Kind, int], ...]


def wallet(*, tenant: Tenant, now: dt.datetime) -> Wallet:
    """Say what credit a tenant has now and what became of the rest."""
    asked: dict[str, Any] = {"tenant": tenant.pk, "soon": now + EXPIRES_SOON}
    with cursor() as session:
        session.execute(_GRANTS, asked)
        *sums, soon = session.fetchone()
    granted, burned, pending, expired, taken_back, left = map(int, sums)
    places = standing(tenant=tenant, now=now).places
    return Wallet(
        tenant_id=tenant.pk,
        currency=tenant.currency,
        at=now,
        granted=granted,
        burned=burned,
        pending=pending,
        expired=expired,
        reversed=taken_back,
        left=left,
        held=sum(place.held for place in places if place.what.kind == CREDIT),
        expiring=tuple(
            Coming(dt.datetime.fromtimestamp(float(at), dt.UTC), int(picos))
            for at, picos in soon or ()
        ),
    )


def statement(*, tenant: Tenant, start: dt.datetime, end: dt.datetime) -> Statement:
    """Sum a tenant's credit up, from `start` to before `end`."""
    sums = _lines(tenant.pk).filter(occurred_at__gte=start, occurred_at__lt=end)
    by_kind = {
        Transaction.Kind(kind): int(picos)
        for kind, picos in sums.order_by().values_list("kind").annotate(picos=_PICOS)
    }
    opening = _balance(tenant.pk, Q(transaction__occurred_at__lt=start))
    return Statement(
        tenant_id=tenant.pk,
        currency=tenant.currency,
        start=start,
        end=end,
        opening=opening,
        closing=opening + sum(by_kind.values()),
        moved=tuple(by_kind.items()),
    )


def statement_lines(
    *, tenant: Tenant, start: dt.datetime, end: dt.datetime
) -> QuerySet[Transaction]:
    """Return what moved a tenant's credit from `start` to before `end`, newest first.

    `with_balances` makes lines of a page of them.
    """
    rows = _lines(tenant.pk).filter(occurred_at__gte=start, occurred_at__lt=end)
    return rows.annotate(picos=_PICOS).order_by("-id")


def with_balances(
    rows: Iterable[Transaction], *, tenant: Tenant, start: dt.datetime, end: dt.datetime
) -> Iterator[Moved]:
    """Yield lines with the balance after each; `rows` are some, newest first."""
    each = iter(rows)
    newest = next(each, None)
    if newest is None:
        return
    before = Q(transaction__occurred_at__lt=start)
    upto = Q(
        transaction__occurred_at__gte=start,
        transaction__occurred_at__lt=end,
        transaction__lte=newest.pk,
    )
    balance = _balance(tenant.pk, before | upto)
    for row in chain([newest], each):
        picos = int(row.picos)  # type: ignore[attr-defined]
        yield Moved(row, picos, balance)
        balance -= picos


def _lines(tenant_id: int) -> QuerySet[Transaction]:
    """Return what moves a tenant's credit, joined to those of its entries that do."""
    return Transaction.objects.filter(
        tenant_id=tenant_id,
        entries__account__tenant_id=tenant_id,
        entries__account__kind__in=_HELD,
    )


def _balance(tenant_id: int, which: Q) -> int:
    entries = Entry.objects.filter(
        which,
        tenant_id=tenant_id,
        transaction__tenant_id=tenant_id,
        account__tenant_id=tenant_id,
        account__kind__in=_HELD,
    )
    found = entries.aggregate(picos=Sum("amount_picos"))["picos"]
    return -int(found or 0)
