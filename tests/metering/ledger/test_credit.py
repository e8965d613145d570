"""Credit: granted once, reversed, ended; how a tenant pays; the books of each."""

import datetime as dt
from typing import Any

import pytest

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import cursor
from metering.ledger import services
from metering.ledger.models import Account, CreditAccount, CreditGrant, Transaction
from metering.ledger.selectors import balances
from metering.usage.selectors import database_now
from tenants.models import AuditEntry, Tenant
from tenants.services import set_payment_mode
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import commit, make_epoch, make_use

UNIT = 10**12
DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.usefixtures("operator_db")


def prepaid() -> Tenant:
    """Make a tenant that pays from credit."""
    return make_tenant(payment_mode="prepaid")


def give(tenant: Tenant, units: int, reference: str = "a", **terms: Any) -> CreditGrant:
    """Grant credit."""
    return services.grant_credit(
        tenant=tenant,
        now=database_now(),
        **{
            "source": "top_up",
            "amount_picos": units * UNIT,
            "reference": reference,
            **terms,
        },
    )


def spend(tenant: Tenant) -> int:
    """Commit a request of a tenant; return what it cost."""
    now = database_now()
    use = make_use(
        price=make_price(currency=tenant.currency), admitted_at=now, tenant=tenant
    )
    (event,) = commit(make_epoch(started_at=now), use)
    return event.charge_picos


def limit(tenant: Tenant, *, at: dt.datetime | None = None) -> int | None:
    """Return what the next lease would be held to."""
    with cursor() as session:
        session.execute(
            "SELECT budgets_limit(place, %s, true) FROM budgets_window place"
            " WHERE tenant_id = %s AND kind = 'credit'",
            [at or database_now(), tenant.pk],
        )
        (found,) = session.fetchone()
    return None if found is None else int(found)


def books(tenant: Tenant) -> dict[str, int]:
    """Return what stands on the accounts of credit, zeros left out."""
    far = dt.datetime.max.replace(tzinfo=dt.UTC)
    return {
        kind.value: money.picos
        for (kind, _), money in balances(tenant_id=tenant.pk, at=far).items()
        if money.picos
    }


def test_credit_is_granted_once_for_a_reference() -> None:
    tenant = prepaid()
    first = give(tenant, 10)
    assert give(tenant, 10) == first
    for other in ({"amount_picos": 1}, {"priority": 3}, {"source": "promotional"}):
        with pytest.raises(Conflict, match="Another credit"):
            give(tenant, 10, **other)
    assert limit(tenant) == 10 * UNIT
    assert books(tenant) == {"cash": 10 * UNIT, "wallet": -10 * UNIT}
    assert AuditEntry.objects.filter(object_kind="credit_grant").count() == 1


def test_an_expiry_in_the_past_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="in the future"):
        give(prepaid(), 1, expires_at=database_now() - DAY)


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_is_no_credit(amount: int) -> None:
    with pytest.raises(InvalidRequest):
        give(prepaid(), 1, amount_picos=amount)


@pytest.mark.parametrize(
    ("source", "owed", "earned"),
    [
        ("top_up", "wallet", "breakage"),
        ("promotional", "promotional_credit", None),
        ("adjustment", "wallet", None),
    ],
)
def test_what_is_left_expires_at_its_instant_with_nobodys_help(
    source: str, owed: str, earned: str | None
) -> None:
    tenant, now = prepaid(), database_now()
    grant = give(tenant, 10, source=source, expires_at=now + DAY)
    charge = spend(tenant)
    assert charge > 0
    assert limit(tenant, at=now + DAY - dt.timedelta(microseconds=1)) == 10 * UNIT
    assert limit(tenant, at=now + DAY) == charge
    grant.refresh_from_db()
    assert (grant.burned_picos, grant.expired_picos) == (charge, 10 * UNIT - charge)
    assert grant.expired_at == grant.expires_at
    left = books(tenant)
    assert left[owed] == -charge
    assert left.get("breakage") == (-(10 * UNIT - charge) if earned else None)
    assert sum(left.values()) == 0
    # What is used later is paid from no credit that has ended.
    spend(tenant)
    assert limit(tenant, at=now + DAY) == charge


def test_idle_tenants_credit_is_ended_by_the_task() -> None:
    tenant, now = prepaid(), database_now()
    grant = give(tenant, 10, expires_at=now + DAY)
    other = give(prepaid(), 10, expires_at=now + 2 * DAY)
    assert services.settle_credit(now=now + DAY) == 1
    assert services.settle_credit(now=now + DAY) == 0
    grant.refresh_from_db()
    other.refresh_from_db()
    assert (grant.expired_at, other.expired_at) == (now + DAY, None)


def test_credit_given_later_does_not_pay_for_what_was_used_before() -> None:
    tenant, now = prepaid(), database_now()
    first = give(tenant, 10)
    charge = spend(tenant)
    later = give(tenant, 5, "b", priority=1, expires_at=now + DAY)
    services.settle_credit(now=now + DAY)
    first.refresh_from_db()
    later.refresh_from_db()
    assert first.burned_picos == charge
    assert (later.burned_picos, later.expired_picos) == (0, 5 * UNIT)


def test_a_refund_gives_back_what_is_left_and_no_more() -> None:
    tenant, now = prepaid(), database_now()
    grant = give(tenant, 10)
    charge = spend(tenant)
    with pytest.raises(Conflict, match="Of this grant"):
        services.reverse_credit(
            grant=grant,
            amount_picos=10 * UNIT - charge + 1,
            reversal="refund",
            now=now,
        )
    row = services.reverse_credit(
        grant=grant, amount_picos=10 * UNIT - charge, reversal="refund", now=now
    )
    assert limit(tenant) == charge
    assert row.reversed_picos == 10 * UNIT - charge
    assert books(tenant) == {"cash": charge, "wallet": -charge}


def test_a_charge_back_takes_what_is_burned_which_falls_on_other_credit() -> None:
    tenant, now = prepaid(), database_now()
    paid = give(tenant, 10)
    other = give(tenant, 5, "b")
    charge = spend(tenant)
    services.reverse_credit(
        grant=paid, amount_picos=10 * UNIT, reversal="charge_back", now=now
    )
    assert limit(tenant) == 5 * UNIT
    services.end_credit(grant=other, now=now)
    other.refresh_from_db()
    assert (other.burned_picos, other.expired_picos) == (charge, 5 * UNIT - charge)
    with pytest.raises(Conflict):
        services.reverse_credit(
            grant=paid, amount_picos=1, reversal="charge_back", now=now
        )


def test_a_charge_back_takes_what_expired_before_what_is_burned() -> None:
    tenant, now = prepaid(), database_now()
    paid = give(tenant, 10)
    charge = spend(tenant)
    services.end_credit(grant=paid, now=now)
    services.book_burns(tenant_id=tenant.pk, now=now)
    earned = books(tenant)["breakage"]
    assert earned == charge - 10 * UNIT
    row = services.reverse_credit(
        grant=paid, amount_picos=4 * UNIT, reversal="charge_back", now=now
    )
    assert (row.burned_picos, row.expired_picos) == (charge, 6 * UNIT - charge)
    assert books(tenant)["breakage"] == earned + 4 * UNIT
    row = services.reverse_credit(
        grant=row, amount_picos=6 * UNIT, reversal="charge_back", now=now
    )
    assert (row.burned_picos, row.expired_picos) == (0, 0)
    assert row.expired_at == now
    with pytest.raises(Conflict, match=r"Of this grant 0\.00"):
        services.reverse_credit(
            grant=row, amount_picos=1, reversal="charge_back", now=now
        )
    found = books(tenant)
    assert (found.get("breakage", 0), found.get("cash", 0)) == (0, 0)
    # What was used is owed: the wallet is below nothing.
    assert found["wallet"] == charge


@pytest.mark.parametrize("reversal", ["refund", "mistake"])
def test_what_expired_is_taken_back_by_a_bank_alone(reversal: str) -> None:
    grant, now = give(prepaid(), 10), database_now()
    services.end_credit(grant=grant, now=now)
    with pytest.raises(Conflict, match=r"Of this grant 0\.00"):
        services.reverse_credit(grant=grant, amount_picos=1, reversal=reversal, now=now)


@pytest.mark.parametrize(
    ("amount", "reversal"), [(0, "refund"), (-1, "refund"), (1, ""), (1, "mood")]
)
def test_a_reversal_says_how_much_and_why(amount: int, reversal: str) -> None:
    grant = give(prepaid(), 10)
    with pytest.raises(InvalidRequest):
        services.reverse_credit(
            grant=grant, amount_picos=amount, reversal=reversal, now=database_now()
        )


def test_credit_is_ended_once_and_stays_to_be_read() -> None:
    tenant, now = prepaid(), database_now()
    grant = give(tenant, 10)
    ended = services.end_credit(grant=grant, now=now)
    again = services.end_credit(grant=grant, now=now + DAY)
    assert (ended.expired_at, again.expired_at) == (now, now)
    assert limit(tenant) == 0
    told = AuditEntry.objects.get(action="end")
    assert told.after["expired_picos"] == 10 * UNIT
    assert Transaction.objects.filter(kind="credit_expiry").count() == 1


def test_only_what_is_used_while_prepaid_burns() -> None:
    tenant = make_tenant()
    give(tenant, 10)
    before = spend(tenant)
    assert limit(tenant) is None
    tenant = set_payment_mode(tenant=tenant, payment_mode="prepaid")
    assert limit(tenant) == before + 10 * UNIT
    burned = spend(tenant)
    tenant = set_payment_mode(tenant=tenant, payment_mode="postpaid")
    assert CreditGrant.objects.get().burned_picos == burned
    invoiced = spend(tenant)
    tenant = set_payment_mode(tenant=tenant, payment_mode="prepaid")
    assert limit(tenant) == before + invoiced + 10 * UNIT
    account = CreditAccount.objects.get(tenant_id=tenant.pk)
    assert account.base_picos == before + invoiced


def test_a_prepaid_tenant_without_credit_may_spend_nothing() -> None:
    tenant = make_tenant()
    spend(tenant)
    tenant = set_payment_mode(tenant=tenant, payment_mode="prepaid")
    with cursor() as session:
        session.execute(
            "SELECT posted - budgets_limit(place, now(), true)"
            " FROM budgets_window place WHERE kind = 'credit'"
        )
        assert session.fetchone() == (0,)
    assert not Account.objects.exists()
