"""Limits over HTTP: what operators and tenants set, see and may not, and what holds."""

from typing import Any

import pytest
from django.test import Client

from kit.orm.roles import as_operator
from kit.scopes import Scope
from tenants import services
from tests.api.callers import Callers
from tests.factories.limits import make_budget, make_plan, make_quota, make_rate_limit
from tests.factories.tenants import default_project, make_key, make_project, make_tenant

JSON = "application/json"
API = "/api/v1/"
UNKNOWN = 999_999_999
FAR = "2099-12-31T23:00:00Z"
PER_MINUTE: dict[str, Any] = {"unit": "requests", "window": "minute", "value": 100}
KINDS: dict[str, dict[str, Any]] = {
    "rate-limits": PER_MINUTE,
    "quotas": {"unit": "tokens", "window": "day", "value": 100},
    "budgets": {"window": "month", "amount": "12.50"},
}


def post(client: Client, path: str, **body: Any) -> Any:
    """Send a JSON body."""
    return client.post(API + path, body, content_type=JSON)


def patch(client: Client, path: str, **body: Any) -> Any:
    """Send a JSON change."""
    return client.patch(API + path, body, content_type=JSON)


def effective(client: Client, **query: Any) -> Any:
    """Ask what holds."""
    response = client.get(f"{API}limits/effective/", query)
    assert response.status_code == 200, response.content
    return response.json()


def refusal(response: Any, status: int) -> Any:
    """Return why a request was refused."""
    assert response.status_code == status, response.content
    return response.json()["error"]


@pytest.mark.parametrize("path", KINDS)
def test_each_kind_is_set_listed_changed_and_ended(operator: Client, path: str) -> None:
    tenant = make_tenant(currency="EUR")
    created = post(operator, f"{path}/", tenant=tenant.pk, **KINDS[path])
    assert created.status_code == 201, created.content
    row = created.json()
    assert (row["tenant"], row["level"], row["set_by"]) == (
        *(tenant.pk, "tenant"),
        "operator",
    )
    assert row["ended_at"] is None
    one = f"{path}/{row['id']}/"
    assert operator.get(API + one).json() == row
    assert patch(operator, one, ends_at=FAR).json()["ends_at"] == FAR
    listed = f"{API}{path}/?tenant={tenant.pk}&active=true&level=tenant&model="
    assert [each["id"] for each in operator.get(listed).json()["data"]] == [row["id"]]
    ended = post(operator, one + "end/").json()
    assert ended["ended_at"]
    assert post(operator, one + "end/").json() == ended
    assert operator.get(listed).json()["data"] == []
    assert "has ended" in refusal(patch(operator, one, is_hard=False), 409)["message"]
    assert operator.delete(API + one).status_code == 405


def test_money_is_text_and_exact(operator: Client) -> None:
    tenant = make_tenant(currency="EUR")
    body = {"tenant": tenant.pk, "window": "month"}
    made = post(operator, "budgets/", amount="0.000000000001", **body).json()
    assert (made["amount"], made["amount_picos"], made["currency"]) == (
        *("0.000000000001", "1"),
        "EUR",
    )
    for wrong in (1.5, 2, "1e3", "-1", "0.0000000000001", "", "NaN", "9" * 16):
        again = post(operator, "budgets/", amount=wrong, **{**body, "window": "day"})
        assert refusal(again, 400)["param"] == "amount"


@pytest.mark.parametrize(
    ("path", "change", "param"),
    [
        ("rate-limits/", {"window": ""}, "window"),
        ("rate-limits/", {"unit": "concurrent_requests"}, "window"),
        ("rate-limits/", {"value": -1}, "value"),
        ("rate-limits/", {"value": "100"}, "value"),
        ("rate-limits/", {"warn_at": [80]}, "warn_at"),
        ("rate-limits/", {"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ("rate-limits/", {"level": "project"}, "level"),
        ("rate-limits/", {"set_by": "tenant"}, "set_by"),
        ("rate-limits/", {"model": "a\0"}, "model"),
        ("quotas/", {"warn_at": [90, 80]}, "warn_at"),
        ("quotas/", {"warn_at": [800]}, "warn_at.0"),
        ("budgets/", {"currency": "USD"}, "currency"),
        ("budgets/", {"amount_picos": "5"}, "amount_picos"),
    ],
)
def test_a_wrong_limit_is_400_and_names_the_field(
    operator: Client, path: str, change: dict[str, Any], param: str
) -> None:
    tenant = make_tenant(currency="EUR").pk
    body = {"tenant": tenant, **KINDS[path.rstrip("/")], **change}
    assert refusal(post(operator, path, **body), 400)["param"] == param


def test_a_limit_is_for_one_holder_and_once(operator: Client) -> None:
    project = make_project()
    tenant = project.tenant_id
    both = post(
        operator, "rate-limits/", tenant=tenant, project=project.pk, **PER_MINUTE
    )
    assert "whom the limit is for" in refusal(both, 400)["message"]
    nobody = post(operator, "rate-limits/", **PER_MINUTE)
    assert "whom the limit is for" in refusal(nobody, 400)["message"]
    for name in ("tenant", "project", "key", "plan"):
        gone = post(operator, "rate-limits/", **PER_MINUTE, **{name: UNKNOWN})
        assert refusal(gone, 400)["param"] == name
    assert (
        post(operator, "rate-limits/", tenant=tenant, **PER_MINUTE).status_code == 201
    )
    again = post(operator, "rate-limits/", tenant=tenant, **PER_MINUTE)
    assert "change that one" in refusal(again, 409)["message"]


def test_plans_are_made_and_one_at_a_time_is_the_default(operator: Client) -> None:
    first = post(operator, "plans/", slug="free", name="Free", is_default=True).json()
    second = post(operator, "plans/", slug="team", name="Team").json()
    assert (first["is_default"], second["is_default"]) == (True, False)
    made = post(operator, f"plans/{second['id']}/make-default/").json()
    assert made["is_default"]
    listed = operator.get(f"{API}plans/?is_default=true").json()["data"]
    assert listed == [made]
    cleared = post(operator, f"plans/{second['id']}/clear-default/").json()
    assert cleared == second
    renamed = patch(operator, f"plans/{first['id']}/", name="Gratis").json()
    assert (renamed["slug"], renamed["name"]) == ("free", "Gratis")
    taken = post(operator, "plans/", slug="free", name="Again")
    assert refusal(taken, 409)["param"] == "slug"
    limit = post(
        operator, "quotas/", plan=first["id"], level="api_key", **KINDS["quotas"]
    )
    assert limit.json()["level"] == "api_key"


def test_what_holds_is_shown_with_its_origins(operator: Client) -> None:
    plan, tenant = make_plan(), make_tenant(currency="EUR")
    services.set_plan(tenant=tenant, plan=plan)
    key = make_key(tenant=tenant).row
    of_plan = make_rate_limit(600, plan=plan)
    of_key = make_rate_limit(60, api_key=key)
    money = make_budget(5 * 10**12, tenant=tenant, warn_at=[80])
    other = make_quota(project=default_project(tenant), model="large")
    found = effective(operator, key=key.pk, model="small")
    assert (found["tenant"], found["project"], found["key"], found["plan"]) == (
        *(tenant.pk, key.project_id),
        *(key.pk, plan.pk),
    )
    budget, flow, own = found["limits"]
    assert (budget["amount"], budget["currency"]) == ("5.00", "EUR")
    assert budget["warn_at"] == [80]
    assert budget["origin"]["limit"] == money.pk
    assert (flow["value"], flow["origin"]["plan"]) == (600, plan.pk)
    assert flow["origin"]["limit"] == of_plan.pk
    assert (flow["is_binding"], own["is_binding"]) == (False, True)
    assert (own["origin"]["limit"], own["holder"]) == (of_key.pk, key.pk)
    large = effective(operator, project=key.project_id, model="large")
    assert other.pk in {each["origin"]["limit"] for each in large["limits"]}
    assert {
        each["level"] for each in effective(operator, tenant=tenant.pk)["limits"]
    } == {"tenant"}


def test_it_is_said_whose_limits_are_asked_for(operator: Client) -> None:
    asked = f"{API}limits/effective/"
    for query in ({}, {"tenant": 1, "key": 1}, {"model": "large"}):
        assert refusal(operator.get(asked, query), 400)["param"] == "tenant"
    for name in ("tenant", "project", "key"):
        assert refusal(operator.get(asked, {name: UNKNOWN}), 404)
        assert operator.get(asked, {name: 10**30}).status_code in {400, 404}


def test_a_tenant_lowers_its_own_and_touches_nothing_of_the_operators(
    caller: Callers,
) -> None:
    tenant = make_tenant(currency="EUR")
    ours = make_rate_limit(100, tenant=tenant)
    admin = caller(role="admin", tenant=tenant)
    own = post(admin, "rate-limits/", **{**PER_MINUTE, "value": 40}).json()
    assert (own["set_by"], own["tenant"]) == ("tenant", tenant.pk)
    (shown,) = effective(admin)["limits"]
    assert (shown["value"], shown["origin"]["set_by"]) == (40, "tenant")
    assert shown["beside"]["limit"] == ours.pk
    patch(admin, f"rate-limits/{own['id']}/", value=4000)
    assert effective(admin)["limits"][0]["value"] == 100
    for response in (
        patch(admin, f"rate-limits/{ours.pk}/", value=4000),
        post(admin, f"rate-limits/{ours.pk}/end/"),
    ):
        assert refusal(response, 403)["code"] == "operators_limit"
    assert post(admin, f"rate-limits/{own['id']}/end/").json()["ended_at"]
    listed = admin.get(f"{API}rate-limits/?active=true").json()["data"]
    assert [(each["id"], each["value"]) for each in listed] == [(ours.pk, 100)]


@pytest.mark.parametrize("path", KINDS)
def test_a_tenant_sets_each_kind_for_its_project_and_key(
    caller: Callers, path: str
) -> None:
    tenant = make_tenant()
    key = make_key(tenant=tenant).row
    owner = caller(role="owner", tenant=tenant)
    for whom in ({"key": key.pk}, {"project": key.project_id}, {"tenant": tenant.pk}):
        made = post(owner, f"{path}/", **whom, **KINDS[path])
        assert made.status_code == 201, made.content
        assert made.json()["set_by"] == "tenant"


def test_what_is_another_tenants_is_as_if_it_were_not(caller: Callers) -> None:
    mine, other = make_tenant(), make_tenant()
    key = make_key(tenant=other).row
    theirs = make_rate_limit(tenant=other)
    admin = caller(role="admin", tenant=mine)
    ids = {
        "tenant": other.pk,
        "project": key.project_id,
        "key": key.pk,
        "plan": make_plan().pk,
    }
    for name, number in ids.items():
        refused = refusal(
            post(admin, "quotas/", **KINDS["quotas"], **{name: number}), 400
        )
        unknown = refusal(
            post(admin, "quotas/", **KINDS["quotas"], **{name: UNKNOWN}), 400
        )
        assert {**refused, "message": ""} == {**unknown, "message": ""}
        assert refused["message"] == unknown["message"].replace(
            str(UNKNOWN), str(number)
        )
    for name in ("tenant", "project", "key"):
        asked = admin.get(f"{API}limits/effective/", {name: ids[name]})
        assert refusal(asked, 404)
    for method, address in (("get", ""), ("patch", ""), ("post", "end/")):
        path = f"{API}rate-limits/{theirs.pk}/{address}"
        assert getattr(admin, method)(path, {}, content_type=JSON).status_code == 404
    assert admin.get(f"{API}rate-limits/?tenant={other.pk}").json()["data"] == []


def test_a_tenant_sees_the_one_plan_that_holds_and_changes_none(
    caller: Callers,
) -> None:
    default, own = make_plan(is_default=True), make_plan()
    lone, placed = make_tenant(), make_tenant()
    with as_operator():
        services.set_plan(tenant=placed, plan=own)
    rows = {plan.pk: make_quota(plan=plan).pk for plan in (default, own)}
    for tenant, plan in ((lone, default), (placed, own)):
        admin = caller(role="admin", tenant=tenant)
        assert [each["id"] for each in admin.get(f"{API}plans/").json()["data"]] == [
            plan.pk
        ]
        quotas = admin.get(f"{API}quotas/").json()["data"]
        assert [each["id"] for each in quotas] == [rows[plan.pk]]
        assert effective(admin)["limits"][0]["origin"]["plan"] == plan.pk
        assert post(admin, f"plans/{plan.pk}/make-default/").status_code == 403
        ended = post(admin, f"quotas/{rows[plan.pk]}/end/")
        assert refusal(ended, 403)["code"] == "operators_limit"
        new = post(admin, "quotas/", plan=plan.pk, **KINDS["quotas"])
        assert refusal(new, 403)["code"] == "operators_limit"


def test_readers_read_and_developers_see_their_projects(caller: Callers) -> None:
    tenant = make_tenant()
    mine, other = make_project(tenant=tenant), make_project(tenant=tenant)
    seen = {make_quota(project=mine).pk, make_quota(tenant=tenant).pk}
    hidden = {
        make_quota(project=other).pk,
        make_quota(api_key=make_key(project=other).row).pk,
    }
    developer = caller(role="developer", tenant=tenant, projects=[mine])
    listed = developer.get(f"{API}quotas/").json()["data"]
    assert {each["id"] for each in listed} == seen
    for number in hidden:
        assert developer.get(f"{API}quotas/{number}/").status_code == 404
    asked = f"{API}limits/effective/?project="
    assert developer.get(f"{asked}{mine.pk}").status_code == 200
    assert developer.get(f"{asked}{other.pk}").status_code == 404
    for role in ("developer", "viewer", "billing"):
        client = caller(role=role, tenant=tenant)
        made = post(client, "quotas/", **KINDS["quotas"])
        assert refusal(made, 403)["code"] == "scope_missing"
    reader = caller(scopes=[Scope.LIMITS_READ], tenant=tenant)
    assert reader.get(f"{API}quotas/").status_code == 200
