"""The admin's pages of plans and limits, and of what holds for whom."""

import datetime as dt

import pytest
from django.test import Client

from kit.money import format_picos
from metering.ledger.services import grant_credit
from metering.usage.selectors import database_now
from tenants import services
from tenants.models import Budget, Plan, Quota, RateLimit, Tenant
from tests.admin import action, confirm, page, signed_in, submit, words
from tests.factories.limits import make_budget, make_plan, make_quota, make_rate_limit
from tests.factories.pricing import make_price
from tests.factories.tenants import default_project, make_key, make_tenant
from tests.factories.usage import Use, commit, make_epoch

PLAN = "tenants_plan"
FLOW, QUOTA, BUDGET = "tenants_ratelimit", "tenants_quota", "tenants_budget"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def make(model: str) -> int:
    """Create a row of the named model and return its id."""
    if model == PLAN:
        return make_plan().pk
    maker = {FLOW: make_rate_limit, QUOTA: make_quota, BUDGET: make_budget}[model]
    row = maker(api_key=make_key().row)
    return int(row.pk)


@pytest.mark.parametrize("model", [PLAN, FLOW, QUOTA, BUDGET])
def test_pages_load_search_and_delete_nothing(admin: Client, model: str) -> None:
    row = make(model)
    for address in (
        page(model, "changelist"),
        page(model, "changelist") + "?q=tenant",
        page(model, "add"),
        page(model, "change", row),
        page(model, "history", row),
    ):
        assert admin.get(address).status_code == 200, address
    assert admin.post(page(model, "delete", row), {"post": "yes"}).status_code == 403


def test_a_quota_is_set_for_a_plan_and_for_a_project(admin: Client) -> None:
    plan, project = make_plan(), default_project(make_tenant())
    body = {"unit": "tokens", "window": "day", "value": "5", "is_hard": "on"}
    of_plan = {**body, "plan": plan.pk, "level": "project", "warn_at": "50,80"}
    assert admin.post(page(QUOTA, "add"), of_plan).status_code == 302
    row = Quota.objects.get(plan=plan)
    assert (row.level, row.warn_at, row.set_by) == ("project", [50, 80], "operator")
    assert (
        admin.post(
            page(QUOTA, "add"), {**body, "project": project.pk, "level": "tenant"}
        ).status_code
        == 302
    )
    assert Quota.objects.get(project=project).tenant_id == project.tenant_id


def test_a_limit_without_a_holder_is_refused_beside_the_form(admin: Client) -> None:
    body = {"unit": "tokens", "window": "day", "value": "5", "level": "tenant"}
    response = admin.post(page(QUOTA, "add"), body)
    assert response.status_code == 200
    assert "Say whom the limit is for" in words(response.content)
    assert not Quota.objects.exists()


def test_what_the_service_refuses_is_said(admin: Client) -> None:
    row = make_rate_limit(tenant=make_tenant())
    body = {
        **{"tenant": row.tenant_id, "level": "tenant", "unit": "requests"},
        **{"window": "minute", "value": "5", "is_hard": "on"},
    }
    response = admin.post(page(FLOW, "add"), body)
    assert "such a rate limit for good already" in words(response.content)
    assert RateLimit.objects.count() == 1


def test_a_budget_is_written_in_units_and_changed(admin: Client) -> None:
    tenant = make_tenant(currency="EUR")
    body = {"tenant": tenant.pk, "level": "tenant", "window": "month"}
    for wrong in ("-5", "five", "1e3"):
        response = admin.post(page(BUDGET, "add"), {**body, "amount": wrong})
        assert "is not an amount" in words(response.content)
    added = admin.post(page(BUDGET, "add"), {**body, "amount": "250", "is_hard": "on"})
    assert added.status_code == 302
    row = Budget.objects.get(tenant=tenant)
    assert (row.amount_picos, row.currency) == (250 * 10**12, "EUR")
    address = page(BUDGET, "change", row.pk)
    assert submit(admin, address, {"amount": "300.5"}).status_code == 302
    row.refresh_from_db()
    assert row.amount_picos == 300_500_000_000_000


def test_a_limit_is_ended_and_then_only_shown(admin: Client) -> None:
    for model, kind in ((QUOTA, Quota), (BUDGET, Budget)):
        number = make(model)
        assert confirm(admin, action(model, "end", number)).status_code == 302
        assert kind._default_manager.get(pk=number).ended_at is not None
        shown = admin.get(page(model, "change", number))
        assert shown.status_code == 200
        assert b'name="value"' not in shown.content
        assert b'name="amount"' not in shown.content


def test_the_default_plan_is_switched_after_its_consequences_are_counted(
    admin: Client,
) -> None:
    first, second = make_plan(slug="free", is_default=True), make_plan(slug="team")
    make_quota(plan=second)
    for _ in range(3):
        make_tenant()
    count = Tenant.objects.filter(plan=None).count()
    dialog = admin.get(action(PLAN, "make_default", second.pk))
    said = words(dialog.content)
    assert f"change over: {count}." in said
    assert "Until now: plan free" in said
    assert "from now on: 1." in said
    assert Plan.objects.get(is_default=True) == first
    assert confirm(admin, action(PLAN, "make_default", second.pk)).status_code == 302
    assert Plan.objects.get(is_default=True) == second
    dialog = admin.get(action(PLAN, "clear_default", second.pk))
    assert f"no limits but their own: {count}." in words(dialog.content)
    confirm(admin, action(PLAN, "clear_default", second.pk))
    assert not Plan.objects.filter(is_default=True).exists()


def test_a_plans_page_says_how_many_tenants_it_holds_for(admin: Client) -> None:
    plan = make_plan()
    for _ in range(3):
        services.set_plan(tenant=make_tenant(), plan=plan)
    make_quota(1234, plan=plan)
    shown = words(admin.get(page(PLAN, "change", plan.pk)).content)
    assert "Tenants it holds for 3" in shown
    assert "1,234 tokens (day)" in shown
    assert admin.get(page(PLAN, "changelist")).status_code == 200


def test_the_limits_in_effect_stand_on_the_pages_of_whom_they_hold_for(
    admin: Client,
) -> None:
    plan, tenant = make_plan(slug="team"), make_tenant(currency="EUR")
    services.set_plan(tenant=tenant, plan=plan)
    key = make_key(tenant=tenant).row
    until = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    make_rate_limit(6000, plan=plan, ends_at=until)
    make_budget(250 * 10**12, project=key.project, warn_at=[80])
    lower = make_quota(777, api_key=key)
    pages = {
        "tenants_tenant": (tenant.pk, 1),
        "tenants_project": (key.project_id, 2),
        "tenants_apikey": (key.pk, 3),
    }
    for model, (number, count) in pages.items():
        response = admin.get(page(model, "change", number))
        assert len(response.context["limits_in_effect"]) == count
        said = words(response.content)
        assert "On plan team" in said
        assert "6,000 (binds)" in said
        assert "plan's default, until 2099-01-01 00:00 UTC" in said
        assert ("stops, warns at 80 %" in said) is (count > 1)
        assert ("set by operators" in said) is (count > 1)
    assert page(QUOTA, "change", lower.pk).encode() in response.content


def test_what_is_used_of_limits_and_credit_stands_beside_them(admin: Client) -> None:
    tenant = make_tenant(payment_mode="prepaid")
    key = make_key(tenant=tenant).row
    now = database_now()
    grant_credit(
        tenant=tenant,
        now=now,
        source="top_up",
        amount_picos=100 * 10**12,
        reference="a",
        expires_at=dt.datetime(2099, 1, 1, tzinfo=dt.UTC),
    )
    make_quota(100, api_key=key, unit="output_tokens", window="forever")
    use = Use(make_price(), tenant.pk, key.project_id, key.pk, now)
    (event,) = commit(make_epoch(started_at=now), use)
    left = format_picos(100 * 10**12 - event.charge_picos)
    response = admin.get(page("tenants_apikey", "change", key.pk))
    said = words(response.content)
    assert f"Pays from credit: {left} USD left of 100.00 USD." in said
    assert f"Next to expire: {left} USD on 2099-01-01 00:00 UTC" in said
    assert "50 used; 50 left" in said
    assert b'value="50" aria-label="output tokens in all, used"' in response.content


def test_without_limits_the_page_says_so(admin: Client) -> None:
    shown = admin.get(page("tenants_tenant", "change", make_tenant().pk))
    assert "No limit holds" in words(shown.content)
