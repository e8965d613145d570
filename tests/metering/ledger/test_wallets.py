"""A tenant's credit as it is told of: the wallet, its statement, all balances."""

import datetime as dt
from typing import Any

import pytest

from metering.ledger import services, wallets
from metering.ledger.models import Account, Transaction
from metering.ledger.selectors import balances
from metering.ledger.services import Part
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.factories.tenants import make_tenant
from tests.metering.ledger.test_credit import DAY, UNIT, give, prepaid, spend

pytestmark = pytest.mark.usefixtures("operator_db")
NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)


def told(tenant: Tenant) -> dict[str, int]:
    """Return the parts of a wallet that are not zero."""
    found = wallets.wallet(tenant=tenant, now=database_now())
    names = ("granted", "burned", "pending", "expired", "reversed", "left", "available")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def lines(tenant: Tenant, first: dt.datetime, end: dt.datetime) -> list[Any]:
    """Return kind, amount and balance of a statement's lines, newest first."""
    span: dict[str, Any] = {"tenant": tenant, "start": first, "end": end}
    rows = list(wallets.statement_lines(**span))
    found = wallets.with_balances(rows, **span)
    return [(str(each.transaction.kind), each.picos, each.balance) for each in found]


def give_at(tenant: Tenant, at: dt.datetime, units: int, reference: str) -> None:
    """Grant credit at an instant."""
    services.grant_credit(
        tenant=tenant,
        now=at,
        source="promotional" if units == 1 else "top_up",
        amount_picos=units * UNIT,
        reference=reference,
    )


def test_a_wallet_counts_use_that_nothing_has_settled() -> None:
    tenant = prepaid()
    give(tenant, 10)
    charge = spend(tenant)
    left = 10 * UNIT - charge
    before = {"granted": 10 * UNIT, "burned": charge, "left": left, "available": left}
    assert told(tenant) == {**before, "pending": charge}
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    assert told(tenant) == before


def test_a_wallet_names_what_expires_soon() -> None:
    tenant, now = prepaid(), database_now()
    give(tenant, 10, expires_at=now + 20 * DAY)
    give(tenant, 5, "b", expires_at=now + 40 * DAY)
    give(tenant, 2, "c", expires_at=now + 20 * DAY, priority=1000)
    charge = spend(tenant)
    (coming,) = wallets.wallet(tenant=tenant, now=database_now()).expiring
    assert (coming.at, coming.picos) == (now + 20 * DAY, 12 * UNIT - charge)


def test_a_wallet_without_credit_is_empty() -> None:
    assert told(make_tenant()) == {}


def test_a_wallet_is_what_its_statement_closes_with_and_what_is_pending() -> None:
    tenant, now = make_tenant(), database_now()
    paid, gift = give(tenant, 10), give(tenant, 1, "b", source="promotional")
    services.draw_credit(
        tenant=tenant, parts=[Part(None, 4 * UNIT)], source="bill", now=now
    )
    services.reverse_credit(
        grant=paid, amount_picos=2 * UNIT, reversal="refund", now=now
    )
    services.end_credit(grant=gift, now=now)
    found = wallets.wallet(tenant=tenant, now=database_now())
    assert found.granted == (found.left + found.burned + found.expired + found.reversed)
    statement = wallets.statement(tenant=tenant, start=now - DAY, end=now + DAY)
    assert statement.closing == found.left - found.pending
    assert dict(statement.moved) == {
        Transaction.Kind.CREDIT: 11 * UNIT,
        Transaction.Kind.BURN: -4 * UNIT,
        Transaction.Kind.REVERSAL: -2 * UNIT,
        Transaction.Kind.EXPIRY: -UNIT,
    }


def test_a_statement_runs_from_its_opening_to_its_closing_balance() -> None:
    tenant = make_tenant()
    for day, units in enumerate((5, 1, 7, 2)):
        give_at(tenant, NOON + day * DAY, units, f"grant {day}")
    other = make_tenant()
    give_at(other, NOON + DAY, 100, "other")
    start, end = NOON + DAY, NOON + 3 * DAY
    statement = wallets.statement(tenant=tenant, start=start, end=end)
    assert (statement.opening, statement.closing) == (5 * UNIT, 13 * UNIT)
    assert lines(tenant, start, end) == [
        ("credit", 7 * UNIT, 13 * UNIT),
        ("credit", 1 * UNIT, 6 * UNIT),
    ]
    assert lines(tenant, end + DAY, end + 2 * DAY) == []


def test_a_page_of_lines_goes_on_with_the_balance() -> None:
    tenant = make_tenant()
    for day in range(5):
        give_at(tenant, NOON + day * DAY, 2, f"grant {day}")
    span: dict[str, Any] = {"tenant": tenant, "start": NOON, "end": NOON + 5 * DAY}
    rows = wallets.statement_lines(**span)[3:5]
    found = wallets.with_balances(rows, **span)
    assert [each.balance for each in found] == [4 * UNIT, 2 * UNIT]


def test_balances_are_those_of_any_moment() -> None:
    tenant = make_tenant()
    give_at(tenant, NOON, 5, "a")
    give_at(tenant, NOON + DAY, 3, "b")
    found = balances(tenant_id=tenant.pk, at=NOON + DAY - dt.timedelta(microseconds=1))
    assert found[Account.Kind.WALLET, "USD"].picos == -5 * UNIT
    assert balances(tenant_id=tenant.pk, at=NOON - DAY) == {}


def test_burns_are_booked_once_in_a_billing_day() -> None:
    tenant, idle = prepaid(), prepaid()
    give(tenant, 10)
    give(idle, 10)
    now = database_now()
    charge = spend(tenant)
    assert services.book_due_burns(now=now) == 1
    spend(tenant)
    assert services.book_due_burns(now=now) == 0
    assert services.book_due_burns(now=now + DAY) == 1
    found = balances(tenant_id=tenant.pk, at=now + DAY)
    assert found[Account.Kind.ACCRUED, "USD"].picos == -2 * charge


def test_a_postpaid_tenants_burns_are_not_looked_for() -> None:
    tenant = make_tenant()
    give(tenant, 10)
    spend(tenant)
    assert services.book_due_burns(now=database_now() + DAY) == 0
