"""What may still be spent: by the rows that grants go by, opened or not."""

import datetime as dt
from typing import Any

import pytest
from django.db import connections

from kit.contracts import BudgetPlace
from kit.orm.atomic import cursor
from kit.orm.roles import as_operator, as_tenant
from metering.budgets.selectors import Place, Standing, standing
from metering.ledger.services import grant_credit
from metering.usage.models import Epoch
from metering.usage.selectors import database_now
from tenants.models import ApiKey, Tenant
from tenants.services import end_limit, set_payment_mode
from tests.factories.limits import make_budget, make_plan, make_quota
from tests.factories.pricing import make_price
from tests.factories.tenants import make_key, make_tenant, midday_zone
from tests.factories.usage import Use, commit, make_epoch

UNIT = 10**12
DAY = dt.timedelta(days=1)


def call(key: ApiKey, **fields: Any) -> int:
    """Commit a request of a key; return what it cost."""
    now = database_now()
    price = make_price()
    use = Use(price, key.tenant_id, key.project_id, key.pk, now, **fields)
    (event,) = commit(make_epoch(started_at=now), use)
    return event.charge_picos


def ask(key: ApiKey, **asked: Any) -> Standing:
    """Return how all stands that a key counts to."""
    return standing(tenant=key.tenant, api_key=key, now=database_now(), **asked)


def the_one(key: ApiKey) -> Place:
    (place,) = ask(key).places
    return place


def open_window(what: BudgetPlace) -> int:
    """Open a place's window as a gateway does; return its id."""
    with cursor() as session:
        session.execute(
            "SELECT window_id FROM budgets_open(ARRAY[%s::bigint], ARRAY[%s],"
            " ARRAY[%s::bigint], ARRAY[%s], ARRAY[%s], ARRAY[%s], ARRAY[%s],"
            " ARRAY[clock_timestamp()])",
            [
                what.tenant_id,
                what.level,
                what.holder_id,
                what.kind,
                what.unit,
                what.window,
                what.model,
            ],
        )
        (window_id,) = session.fetchone()
    return int(window_id)


def lease(epoch: Epoch, window_id: int, amount: int, used: int) -> None:
    """Put a lease there as grants and heartbeats leave it."""
    with connections["owner"].cursor() as session:
        session.execute(
            "INSERT INTO budgets_lease (window_id, epoch_id, tenant_id, amount, used)"
            " SELECT id, %s, tenant_id, %s, %s FROM budgets_window WHERE id = %s",
            [epoch.pk, amount, used, window_id],
        )


def test_nothing_is_limited_where_nothing_is_set(operator_db: None) -> None:
    found = ask(make_key(tenant=make_tenant(zone=midday_zone())).row)
    assert (found.places, found.binding) == ((), None)


def test_a_window_counts_the_same_before_and_after_it_is_opened(
    operator_db: None,
) -> None:
    key = make_key(tenant=make_tenant(zone=midday_zone())).row
    make_budget(50 * UNIT, tenant=key.tenant)
    charge = call(key)
    before = the_one(key)
    assert (before.posted, before.limit) == (charge, 50 * UNIT)
    assert before.left == 50 * UNIT - charge
    open_window(before.what)
    assert the_one(key) == before
    charge += call(key)
    assert the_one(key).posted == charge


def test_leases_are_told_apart_from_what_is_used(fresh_database: object) -> None:
    with as_operator():
        key = make_key(tenant=make_tenant(zone=midday_zone())).row
        make_budget(50 * UNIT, tenant=key.tenant)
        window = open_window(the_one(key).what)
        for amount, used in ((20 * UNIT, 5 * UNIT), (10 * UNIT, 0)):
            epoch = make_epoch(started_at=database_now())
            lease(epoch, window, amount, used)
        place = the_one(key)
    assert (place.held, place.leased) == (5 * UNIT, 30 * UNIT)
    assert (place.left, place.available) == (45 * UNIT, 45 * UNIT)
    assert place.share_used == pytest.approx(0.1)
    connections.close_all()


def test_the_tightest_comes_first_and_the_first_hard_one_binds(
    operator_db: None,
) -> None:
    key = make_key(tenant=make_tenant(zone=midday_zone())).row
    charge = call(key)
    make_budget(charge * 10, tenant=key.tenant)
    make_budget(charge * 4, api_key=key)
    make_budget(charge * 2, project=key.project, is_hard=False)
    make_quota(10**6, tenant=key.tenant, unit="output_tokens")
    found = ask(key)
    assert [
        (each.what.level, each.what.kind, round(each.share_used, 2))
        for each in found.places
    ] == [
        ("project", "budget", 0.5),
        ("api_key", "budget", 0.25),
        ("tenant", "budget", 0.1),
        ("tenant", "quota", 0.0),
    ]
    assert found.binding == found.places[1]
    assert found.places[3].posted == 50
    assert found.places[3].currency == ""


def test_whose_limit_it_is_and_that_more_was_used_than_is_allowed(
    operator_db: None,
) -> None:
    plan = make_plan(is_default=True)
    key = make_key(tenant=make_tenant(zone=midday_zone())).row
    row = make_budget(UNIT, plan=plan, level="api_key", currency="USD")
    charge = call(key)
    place = the_one(key)
    assert place.limited_by is not None
    assert (place.limited_by.row.id, place.limited_by.is_plans) == (row.pk, True)
    own = make_budget(1, api_key=key)
    place = the_one(key)
    assert place.limited_by is not None
    assert place.limited_by.row.id == own.pk
    assert (place.left, place.available) == (1 - charge, 0)
    end_limit(limit=own, now=database_now())
    assert the_one(key).limit == UNIT


def test_a_model_has_its_own_count(operator_db: None) -> None:
    key = make_key(tenant=make_tenant(zone=midday_zone())).row
    make_budget(50 * UNIT, tenant=key.tenant, model="other")
    call(key)
    assert the_one(key).posted == 0
    assert ask(key, model="unlike").places == ()


def test_credit_of_a_prepaid_tenant_stands_first_and_tells_what_ends_next(
    operator_db: None,
) -> None:
    key = make_key(tenant=make_tenant(payment_mode="prepaid")).row
    now = database_now()
    for number, ends in enumerate((None, now + 2 * DAY, now + DAY)):
        grant_credit(
            tenant=key.tenant,
            now=now,
            source="top_up",
            amount_picos=10 * UNIT,
            reference=str(number),
            expires_at=ends,
        )
    charge = call(key)
    place = the_one(key)
    assert (place.what.kind, place.limit, place.posted) == ("credit", 30 * UNIT, charge)
    assert place.is_for_ever
    assert place.expiring is not None
    assert place.expiring.picos == 10 * UNIT - charge
    later = standing(tenant=key.tenant, now=now + DAY).places[0]
    assert later.left == 20 * UNIT
    assert later.expiring is not None
    assert later.expiring.at == now + 2 * DAY


def test_credit_is_what_is_not_used_up_and_not_all_that_ever_was(
    operator_db: None,
) -> None:
    """A tenant that paid by invoice before, and has used up a grant since."""
    key = make_key(tenant=make_tenant(zone=midday_zone())).row
    call(key)
    tenant = set_payment_mode(tenant=key.tenant, payment_mode="prepaid")

    def grant(picos: int, **terms: Any) -> None:
        grant_credit(
            tenant=tenant,
            now=database_now(),
            source="top_up",
            amount_picos=picos,
            reference=str(picos),
            **terms,
        )

    def numbers() -> tuple[int, int, int]:
        (place,) = standing(tenant=tenant, now=database_now()).places
        return place.limit, place.posted, place.left

    assert numbers() == (0, 0, 0)
    charge = call(key)
    assert numbers() == (0, charge, -charge)
    grant(charge + 1)
    assert numbers() == (charge + 1, charge, 1)
    call(key)
    assert numbers() == (charge + 1, 2 * charge, 1 - charge)
    grant(10 * charge)
    assert numbers() == (10 * charge, charge - 1, 9 * charge + 1)
    grant(5 * charge, priority=1)
    assert numbers()[2] == 14 * charge + 1


def test_a_postpaid_tenants_credit_limits_nothing(operator_db: None) -> None:
    key = make_key(tenant=make_tenant(payment_mode="prepaid")).row
    assert the_one(key).limit == 0
    assert the_one(key).share_used == 1.0
    tenant = set_payment_mode(tenant=key.tenant, payment_mode="postpaid")
    assert standing(tenant=tenant, now=database_now()).places == ()


def test_a_tenant_asks_for_itself_alone(fresh_database: object) -> None:
    with as_operator():
        keys = [make_key(tenant=make_tenant(payment_mode="prepaid")).row for _ in "ab"]
        for key in keys:
            make_budget(50 * UNIT, tenant=key.tenant)
            call(key)
        seen = [ask(key) for key in keys]
    mine, other = (Tenant.objects.using("owner").get(pk=k.tenant_id) for k in keys)
    with as_tenant(mine.pk):
        found = standing(tenant=mine, api_key=keys[0], now=database_now())
        assert [each.posted for each in found.places] == [
            each.posted for each in seen[0].places
        ]
    with as_tenant(mine.pk), pytest.raises(Exception, match="not this tenant's"):
        standing(tenant=other, now=database_now())
    connections.close_all()
