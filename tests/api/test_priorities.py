"""Plans say how their tenants stand beside others; keys ask for no better."""

import json
from typing import Any

import pytest
from django.test import Client

from inference.control.models import Publication
from kit.orm.roles import as_operator
from tenants import services
from tests.api.callers import Callers
from tests.factories.limits import make_plan
from tests.factories.tenants import default_project, make_tenant

JSON = "application/json"
API = "/api/v1/"


def sent(client: Client, method: str, path: str, body: dict[str, Any]) -> Any:
    """Send a JSON body."""
    return client.generic(method, API + path, json.dumps(body), content_type=JSON)


def published(kind: str, key: object) -> dict[str, Any]:
    """Return what gateways are told."""
    with as_operator():
        body = Publication.objects.get(kind=kind, key=str(key)).body
    assert isinstance(body, dict)
    return body


def test_a_plan_is_given_a_weight_and_a_best_priority(caller: Callers) -> None:
    operator = caller()
    named = {"slug": "team", "name": "Team"}
    plan = sent(operator, "POST", "plans/", named).json()
    assert (plan["weight"], plan["priority_max"]) == (100, "default")
    assert not {"weight", "priority_max"} & published("plan", plan["id"]).keys()
    given = {"weight": 300, "priority_max": "priority"}
    one = f"plans/{plan['id']}/"
    assert sent(operator, "PATCH", one, given).json() == plan | given
    assert published("plan", plan["id"]).items() >= given.items()
    for wrong in ({"weight": 0}, {"weight": 10_001}, {"priority_max": "urgent"}):
        refused = sent(operator, "PATCH", one, wrong)
        assert refused.json()["error"]["param"] == next(iter(wrong))


@pytest.mark.parametrize("is_default", [True, False])
def test_a_key_asks_for_no_more_than_the_plan_allows(
    caller: Callers, is_default: bool
) -> None:
    """As an operator sets it and as a tenant does, whose role sees its plan alone."""
    plan, tenant = make_plan(is_default=is_default), make_tenant()
    # Another tenant's plan allows what this one's does not.
    with as_operator():
        services.update_plan(plan=make_plan(), priority_max="priority")
        if not is_default:
            services.set_plan(tenant=tenant, plan=plan)
    body = {"project": default_project(tenant).pk, "name": "urgent"}
    clients = (caller(), caller(tenant=tenant))
    for client in clients:
        refused = sent(client, "POST", "keys/", body | {"priority": "priority"})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "priority"
    with as_operator():
        services.update_plan(plan=plan, priority_max="priority")
    for client in clients:
        issued = sent(client, "POST", "keys/", body | {"priority": "priority"}).json()
        assert issued["priority"] == "priority"
        one = f"keys/{issued['id']}/"
        for priority in ("flex", "default", "priority"):
            changed = sent(client, "PATCH", one, {"priority": priority})
            assert changed.json()["priority"] == priority


def test_a_plan_that_allows_less_leaves_keys_as_they_say(caller: Callers) -> None:
    """Gateways take the lower of the two; a rotation hands on what the key says."""
    plan, tenant = make_plan(is_default=True), make_tenant()
    client = caller(tenant=tenant)
    with as_operator():
        services.update_plan(plan=plan, priority_max="priority")
    body = {"project": default_project(tenant).pk, "name": "urgent"}
    issued = sent(client, "POST", "keys/", body | {"priority": "priority"}).json()
    with as_operator():
        services.update_plan(plan=plan, priority_max="flex")
    one = f"keys/{issued['id']}/"
    kept = {"name": "renamed", "priority": "priority"}
    assert sent(client, "PATCH", one, kept).json().items() >= kept.items()
    fresh = sent(client, "POST", one + "rotate/", {}).json()
    assert fresh["priority"] == "priority"
    assert sent(client, "PATCH", one, {"priority": "default"}).status_code == 400
    assert sent(client, "PATCH", one, {"priority": "flex"}).status_code == 200
    assert published("plan", plan.pk)["priority_max"] == "flex"
    keys = {
        entry["api_key_id"]: entry.get("priority")
        for entry in (row.body or {} for row in _keys())
    }
    assert keys == {issued["id"]: "flex", fresh["id"]: "priority"}


def _keys() -> list[Publication]:
    with as_operator():
        return list(Publication.objects.filter(kind="api_key"))
