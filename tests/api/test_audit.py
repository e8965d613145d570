"""The audit over HTTP: whose entries one sees, how they are asked for, who is named."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from kit.acting import Actor, ActorKind, acting_as
from kit.orm.roles import as_operator
from kit.scopes import Scope
from tenants import services
from tenants.models import ManagementToken, Tenant
from tests.api.callers import Callers
from tests.factories.tenants import make_key, make_member, make_tenant, make_token

AUDIT = "/api/v1/audit/"


def listed(client: Client, **query: Any) -> list[dict[str, Any]]:
    response = client.get(AUDIT, query)
    assert response.status_code == 200, response.content
    rows: list[dict[str, Any]] = response.json()["data"]
    return rows


def test_an_operator_sees_every_chain_newest_first(operator: Client) -> None:
    one, other = make_tenant(), make_tenant()
    rows = listed(operator)
    assert {row["tenant"] for row in rows} == {one.pk, other.pk}
    assert [row["id"] for row in rows] == sorted((r["id"] for r in rows), reverse=True)


def test_entries_are_asked_for_by_what_they_say(operator: Client) -> None:
    tenant = make_tenant(name="Acme")
    make_tenant()
    issued = make_key(tenant=tenant)
    with acting_as(Actor(ActorKind.OPERATOR, 7)):
        services.update_tenant(tenant=tenant, name="Acme Ltd")
    (renamed,) = listed(operator, actor_kind="operator", actor_id=7)
    assert renamed["after"] == {"name": "Acme Ltd"}
    assert len(listed(operator, tenant=tenant.pk)) == 4
    (key,) = listed(operator, object_kind="api_key", object_id=issued.row.pk)
    assert key["action"] == "issue"
    assert "digest" not in key["after"]
    assert listed(operator, action="update") == [renamed]
    at = dt.datetime.fromisoformat(renamed["at"])
    assert listed(operator, start=at.isoformat(), tenant=tenant.pk) == [renamed]
    assert renamed not in listed(operator, end=at.isoformat())


def test_pages_follow_each_other(operator: Client) -> None:
    tenant = make_tenant()
    for number in range(4):
        services.update_tenant(tenant=tenant, name=f"Name {number}")
    first = operator.get(AUDIT, {"limit": 4}).json()
    second = operator.get(first["next"]).json()
    seqs = [row["seq"] for row in first["data"] + second["data"]]
    assert seqs == [6, 5, 4, 3, 2, 1]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"tenant": "x"},
        {"tenant": 0},
        {"actor_kind": "god"},
        {"start": "yesterday"},
        {"object": "1"},
        {"action": "a\0b"},
    ],
)
def test_what_makes_no_sense_is_refused(
    operator: Client, query: dict[str, Any]
) -> None:
    assert operator.get(AUDIT, query).status_code == 400


def test_a_tenant_sees_its_own_chain_alone(caller: Callers) -> None:
    mine, other = make_tenant(), make_tenant()
    owner = caller(role="owner", tenant=mine)
    assert {row["tenant"] for row in listed(owner)} == {mine.pk}
    # A foreign tenant is as one that is not there.
    assert listed(owner, tenant=other.pk) == listed(owner, tenant=10**9) == []


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_most_roles_do_not_see_it(caller: Callers, role: str) -> None:
    assert caller(role=role).get(AUDIT).status_code == 403
    reader = caller(tenant=make_tenant(), scopes=[Scope.AUDIT_READ])
    assert reader.get(AUDIT).status_code == 200


def test_actors_are_named_as_they_are_called_now(caller: Callers) -> None:
    tenant = make_tenant(billing_email="pay@acme.example")
    member = make_member(tenant=tenant, role="owner", email="ada@acme.example")
    made = make_token(member=member)
    owner = caller(role="admin", tenant=tenant)
    with (
        acting_as(
            Actor(
                ActorKind.TENANT_TOKEN,
                made.row.pk,
                tenant_id=tenant.pk,
                member_id=member.pk,
            )
        ),
        as_operator(),
    ):
        services.update_tenant(tenant=tenant, billing_email="")
        ManagementToken.objects.filter(pk=made.row.pk).update(name="deploy script")
    entry = listed(owner)[0]
    assert entry["actor"] == {
        "kind": "tenant_token",
        "id": made.row.pk,
        "member": member.pk,
        "name": "deploy script",
        "email": "ada@acme.example",
    }
    assert entry["personal"] == {
        "before": {"billing_email": "pay@acme.example"},
        "after": {"billing_email": ""},
    }
    assert entry["is_forgotten"] is False


def test_a_tenant_does_not_learn_an_operators_name(caller: Callers) -> None:
    tenant = make_tenant()
    operator = make_member().user
    with acting_as(Actor(ActorKind.OPERATOR, operator.pk)), as_operator():
        services.update_tenant(tenant=tenant, name="Renamed")
    seen = listed(caller(role="owner", tenant=tenant))[0]
    assert (seen["actor"]["id"], seen["actor"]["name"]) == (operator.pk, None)
    named = listed(caller(), tenant=tenant.pk)[0]
    assert named["actor"]["name"] == operator.username


def test_what_was_forgotten_is_not_shown(operator: Client) -> None:
    tenant: Tenant = make_tenant(billing_email="pay@acme.example")
    services.forget_billing_email(tenant=tenant)
    rows = listed(operator, tenant=tenant.pk)
    made = rows[-1]
    assert (made["personal"], made["is_forgotten"]) == (None, True)
    assert rows[0]["action"] == "forget"
    assert rows[0]["after"] == {"forgotten_entries": [made["id"]]}
    assert "acme.example" not in str(rows)
