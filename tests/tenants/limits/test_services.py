"""Writes of limits and plans: who may set what, what makes no sense, what ends when."""

import datetime as dt
from typing import Any

import pytest

from kit.acting import Actor, ActorKind, acting_as
from kit.errors import Conflict, InvalidRequest, PermissionDenied
from tenants import selectors, services
from tenants.models import RateLimit, SetBy
from tenants.services import Holder
from tests.factories.limits import (
    NOW,
    make_budget,
    make_plan,
    make_quota,
    make_rate_limit,
)
from tests.factories.tenants import make_key, make_project, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

LATER = NOW + dt.timedelta(days=1)


def test_a_limit_is_set_changed_and_ended_but_never_deleted() -> None:
    quota = make_quota(1000, tenant=make_tenant(), warn_at=[50, 80])
    assert (quota.set_by, quota.level, quota.is_hard) == ("operator", "tenant", True)
    quota = services.change_limit(limit=quota, now=NOW, value=500, warn_at=[90])
    assert (quota.value, quota.warn_at) == (500, [90])
    ended = services.end_limit(limit=quota, now=NOW)
    assert ended.ended_at == NOW
    assert services.end_limit(limit=quota, now=LATER).ended_at == NOW
    with pytest.raises(Conflict, match="has ended"):
        services.change_limit(limit=quota, now=LATER, value=1)
    quota.refresh_from_db()
    assert quota.value == 500


def test_a_limit_is_of_its_holders_tenant() -> None:
    key = make_key().row
    of_key, of_project = make_quota(api_key=key), make_quota(project=key.project)
    assert (of_key.level, of_key.api_key, of_key.project) == ("api_key", key, None)
    assert (of_project.level, of_project.project_id) == ("project", key.project_id)
    assert of_key.tenant_id == of_project.tenant_id == key.tenant_id


def test_a_plans_limit_names_a_level() -> None:
    plan = make_plan()
    assert make_quota(plan=plan).level == "tenant"
    assert make_quota(plan=plan, level="api_key").level == "api_key"
    with pytest.raises(InvalidRequest) as refused:
        make_quota(plan=plan, level="planet")
    assert refused.value.param == "level"


def test_a_limit_has_one_holder() -> None:
    tenant, plan = make_tenant(), make_plan()
    with pytest.raises(InvalidRequest, match="whom the limit is for"):
        Holder.of()
    with pytest.raises(InvalidRequest, match="whom the limit is for"):
        Holder.of(tenant=tenant, plan=plan)
    with pytest.raises(InvalidRequest) as refused:
        Holder.of(tenant=tenant, level="project")
    assert refused.value.param == "level"


@pytest.mark.parametrize(
    ("make", "terms", "param"),
    [
        (make_rate_limit, {"unit": "concurrent_requests"}, "window"),
        (make_rate_limit, {"unit": "tokens", "window": ""}, "window"),
        (make_rate_limit, {"window": "month"}, "window"),
        (make_rate_limit, {"unit": "pages"}, "unit"),
        (make_rate_limit, {"warn_at": [80]}, "warn_at"),
        (make_rate_limit, {"value": -1}, "value"),
        (make_rate_limit, {"value": 2**53}, "value"),
        (make_rate_limit, {"model": "a\0b"}, "model"),
        (make_rate_limit, {"ends_at": NOW}, "ends_at"),
        (make_quota, {"window": ""}, "window"),
        (make_quota, {"window": "minute"}, "window"),
        (make_quota, {"unit": "requests"}, "unit"),
        (make_quota, {"warn_at": [80, 50]}, "warn_at"),
        (make_quota, {"warn_at": [50, 50]}, "warn_at"),
        (make_quota, {"warn_at": [0]}, "warn_at"),
        (make_quota, {"warn_at": [101]}, "warn_at"),
        (make_budget, {"amount_picos": -1}, "amount_picos"),
        (make_budget, {"currency": "EUR"}, "currency"),
    ],
)
def test_what_makes_no_sense_names_its_field(
    make: Any, terms: dict[str, Any], param: str
) -> None:
    tenant = make_tenant(currency="USD")
    with pytest.raises(InvalidRequest) as refused:
        make(tenant=tenant, **terms)
    assert refused.value.param == param
    assert refused.value.message


def test_a_budgets_currency_is_the_tenants_or_the_plan_says_it() -> None:
    assert make_budget(tenant=make_tenant(currency="EUR")).currency == "EUR"
    plan = make_plan()
    for wrong in ("", "euro", "eur"):
        with pytest.raises(InvalidRequest) as refused:
            make_budget(plan=plan, currency=wrong)
        assert refused.value.param == "currency"
    made = {make_budget(plan=plan, currency=code).currency for code in ("EUR", "USD")}
    assert made == {"EUR", "USD"}


def test_what_is_closed_gets_no_limit() -> None:
    key, project = make_key().row, make_project()
    services.archive_project(project=project, now=NOW)
    services.revoke_key(api_key=key, now=NOW)
    project.refresh_from_db()
    key.refresh_from_db()
    with pytest.raises(InvalidRequest, match="archived"):
        make_quota(project=project)
    with pytest.raises(InvalidRequest, match="revoked"):
        make_quota(api_key=key)


def test_a_place_is_taken_once_but_hard_soft_and_models_are_places() -> None:
    tenant = make_tenant()
    make_rate_limit(tenant=tenant)
    with pytest.raises(Conflict, match="such a rate limit for good already"):
        make_rate_limit(tenant=tenant)
    make_rate_limit(tenant=tenant, is_hard=False)
    make_rate_limit(tenant=tenant, model="large")
    make_rate_limit(tenant=tenant, window="hour")
    make_rate_limit(tenant=make_tenant())
    services.end_limit(limit=make_rate_limit(tenant=tenant, unit="tokens"), now=NOW)
    make_rate_limit(tenant=tenant, unit="tokens")


def test_a_limit_until_a_date_stands_before_the_one_for_good() -> None:
    tenant = make_tenant()
    make_rate_limit(100, tenant=tenant)
    make_rate_limit(300, tenant=tenant, ends_at=LATER)
    with pytest.raises(Conflict, match="until a date already"):
        make_rate_limit(400, tenant=tenant, ends_at=LATER)
    assert values(tenant, NOW) == [300]
    assert values(tenant, LATER) == [100]


def test_one_that_has_run_out_makes_room_and_cannot_change() -> None:
    tenant = make_tenant()
    old = make_rate_limit(300, tenant=tenant, ends_at=LATER)
    with pytest.raises(Conflict, match="has ended"):
        services.change_limit(limit=old, now=LATER, value=1)
    until = LATER + dt.timedelta(days=1)
    make_rate_limit(400, tenant=tenant, now=LATER, ends_at=until)
    old.refresh_from_db()
    assert old.ended_at == LATER
    assert values(tenant, LATER) == [400]


def test_making_one_last_for_good_where_one_does_is_a_conflict() -> None:
    tenant = make_tenant()
    make_rate_limit(100, tenant=tenant)
    raised = make_rate_limit(300, tenant=tenant, ends_at=LATER)
    with pytest.raises(Conflict):
        services.change_limit(limit=raised, now=NOW, ends_at=None)


def values(tenant: Any, now: dt.datetime) -> list[int]:
    """Return the values in effect for a tenant."""
    found = selectors.effective_limits(tenant=tenant, now=now)
    return [each.row.value for each in found.chain]


def test_what_holds_comes_from_the_rows_of_all_kinds_and_of_the_plan() -> None:
    plan, tenant = make_plan(), make_tenant(currency="EUR")
    services.set_plan(tenant=tenant, plan=plan)
    key = make_key(tenant=tenant).row
    make_rate_limit(plan=plan, level="api_key")
    make_budget(plan=plan, currency="EUR")
    make_budget(plan=plan, currency="USD")
    make_quota(tenant=tenant)
    make_quota(project=make_project(tenant=tenant))
    make_quota(tenant=make_tenant())
    tenant.refresh_from_db()
    found = selectors.effective_limits(tenant=tenant, api_key=key, now=NOW)
    assert [
        (each.row.level, each.row.measure.kind, each.is_plans) for each in found.chain
    ] == [
        ("tenant", "budget", True),
        ("tenant", "quota", False),
        ("api_key", "rate_limit", True),
    ]
    assert found.plan == plan


def test_a_default_plan_holds_for_whom_no_other_does_and_is_switched_at_once() -> None:
    first, second = make_plan(is_default=True), make_plan()
    lone, placed = make_tenant(), make_tenant()
    services.set_plan(tenant=placed, plan=second)
    placed.refresh_from_db()
    make_rate_limit(1, plan=first)
    make_rate_limit(2, plan=second)
    assert (values(lone, NOW), values(placed, NOW)) == ([1], [2])
    assert services.make_default_plan(plan=second).is_default
    first.refresh_from_db()
    assert not first.is_default
    assert values(lone, NOW) == [2]
    services.clear_default_plan(plan=second)
    assert values(lone, NOW) == []
    services.clear_plan(tenant=placed)
    placed.refresh_from_db()
    assert placed.plan is None


def test_tenants_of_a_plan_are_counted_with_those_on_none_for_the_default() -> None:
    first, second = make_plan(is_default=True), make_plan()
    before = selectors.tenants_of_plan(first)
    tenant = make_tenant()
    assert selectors.tenants_of_plan(first) == before + 1
    services.set_plan(tenant=tenant, plan=second)
    assert selectors.tenants_of_plan(second) == 1
    assert selectors.tenants_of_plan(first) == before
    counts = selectors.tenant_counts([first, second])
    assert counts == {first.pk: before, second.pk: 1}
    assert selectors.tenants_on_no_plan() == before


def test_a_taken_plan_is_a_conflict() -> None:
    make_plan(slug="team")
    with pytest.raises(Conflict):
        make_plan(slug="team")


def test_operators_change_what_a_tenant_has_set_and_it_stays_the_tenants() -> None:
    row = make_rate_limit(tenant=make_tenant())
    RateLimit.objects.filter(pk=row.pk).update(set_by=SetBy.TENANT)
    row.refresh_from_db()
    assert services.change_limit(limit=row, now=NOW, value=5).set_by == "tenant"


def test_nobody_but_operators_sets_for_a_plan() -> None:
    tenants = Actor(ActorKind.TENANT_TOKEN, 1, tenant_id=make_tenant().pk)
    plan = make_plan()
    with acting_as(tenants), pytest.raises(PermissionDenied):
        make_quota(plan=plan)
