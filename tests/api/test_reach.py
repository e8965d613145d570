"""What a tenant's token reaches of usage, invoices and models: its own, and no other.

Another tenant's things answer exactly as such that there are not.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from inference.control import services
from kit.contracts import LinearPrice
from kit.orm.roles import as_operator
from kit.scopes import Scope
from metering.billing.models import Invoice
from metering.usage.selectors import database_now
from metering.usage.services import cover
from tenants.models import Project
from tests.api.callers import Callers
from tests.factories.billing import make_draft
from tests.factories.control import make_model
from tests.factories.pricing import make_price
from tests.factories.tenants import make_key, make_project, make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use

API = "/api/v1/"
pytestmark = pytest.mark.usefixtures("fresh_database")
NOTHING = 999_999_999


class Used:
    """Two tenants with usage, the first one's in two projects."""

    def __init__(self) -> None:
        with as_operator():
            now = database_now()
            self.own, self.other = make_tenant(), make_tenant()
            for tenant in (self.own, self.other):
                cover(tenant=tenant, earliest=now - dt.timedelta(days=1), latest=now)
        price: LinearPrice = make_price()
        first = make_use(price=price, admitted_at=now, tenant=self.own)
        self.project = make_project(tenant=self.own)
        self.key = make_key(project=self.project).row
        second = replace(first, project_id=self.project.pk, api_key_id=self.key.pk)
        self.foreign: Use = make_use(price=price, admitted_at=now, tenant=self.other)
        commit(make_epoch(started_at=now), first, second, self.foreign)


@pytest.fixture
def used() -> Used:
    """Provide usage of two tenants."""
    return Used()


def asked(client: Client, query: str = "") -> Any:
    """Ask for usage."""
    return client.get(f"{API}usage/?{query}")


@pytest.mark.parametrize(
    "division", ["", "day", "hour", "minute", "tenant,project,key,model,day"]
)
def test_a_tenant_reads_the_usage_of_its_own(
    caller: Callers, used: Used, division: str
) -> None:
    own = asked(caller(tenant=used.own), f"group_by={division}").json()
    everything = asked(caller(), f"group_by={division}").json()
    assert own["total"]["requests"] == 2
    assert everything["total"]["requests"] == 3


def test_a_developer_reads_the_usage_of_its_projects_alone(
    caller: Callers, used: Used
) -> None:
    client = caller(role="developer", tenant=used.own, projects=[used.project])
    for division in ("", "day", "hour", "minute", "project,key"):
        answer = asked(client, f"group_by={division}").json()
        assert answer["total"]["requests"] == 1, division
    nowhere = caller(role="developer", tenant=used.own)
    assert asked(nowhere).json()["total"]["requests"] == 0


def refusal(client: Client, query: str) -> tuple[int, str]:
    """Return status and message of a question, its number taken out."""
    answer = asked(client, query)
    number = query.partition("=")[2]
    return answer.status_code, answer.json()["error"]["message"].replace(number, "?")


def test_what_is_anothers_is_refused_as_what_is_not_there(
    caller: Callers, used: Used
) -> None:
    client = caller(tenant=used.own)
    for name, foreign in (
        ("tenant", used.other.pk),
        ("tenant", used.other.slug),
        ("project", used.foreign.project_id),
        ("key", used.foreign.api_key_id),
    ):
        theirs = refusal(client, f"{name}={foreign}")
        assert theirs == refusal(client, f"{name}={NOTHING}")
        assert theirs[0] == 400
        assert asked(caller(), f"{name}={foreign}").status_code == 200


def test_other_projects_are_refused_as_such_that_are_not_there(
    caller: Callers, used: Used
) -> None:
    client = caller(role="developer", tenant=used.own, projects=[used.project])
    with as_operator():
        beside = Project.objects.filter(tenant=used.own).exclude(pk=used.project.pk)[0]
    key = make_key(project=beside).row
    for name, hidden in (("project", beside.pk), ("key", key.pk)):
        assert refusal(client, f"{name}={hidden}") == refusal(
            client, f"{name}={NOTHING}"
        )
    assert asked(client, f"project={used.project.pk}").status_code == 200
    assert asked(client, f"key={used.key.pk}").status_code == 200


def test_a_tenant_reads_the_invoices_that_were_issued_to_it(caller: Callers) -> None:
    own, foreign, draft = make_draft(), make_draft(), make_draft()
    with as_operator():
        tenants = {each.pk: each.tenant for each in (own, foreign, draft)}
        Invoice.objects.filter(pk__in=(own.pk, foreign.pk)).update(
            state=Invoice.State.OPEN, number=F("public_id")
        )
    client = caller(tenant=tenants[own.pk], scopes=[Scope.BILLING_READ])
    listed = client.get(f"{API}invoices/").json()["data"]
    assert [row["id"] for row in listed] == [own.pk]
    assert client.get(f"{API}invoices/{own.pk}/").json()["lines"]
    for hidden in (foreign.pk, draft.pk, NOTHING):
        assert client.get(f"{API}invoices/{hidden}/").status_code == 404
    for other in (foreign.tenant_id, NOTHING):
        refused = client.get(f"{API}invoices/?tenant={other}")
        assert refused.status_code == 400
        assert "There is no tenant" in refused.json()["error"]["message"]
    drafts = caller(tenant=tenants[draft.pk])
    assert drafts.get(f"{API}invoices/").json()["data"] == []
    assert drafts.get(f"{API}invoices/{draft.pk}/").status_code == 404
    assert caller().get(f"{API}invoices/{draft.pk}/").status_code == 200


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_invoices_take_a_scope_that_not_every_role_holds(
    caller: Callers, role: str
) -> None:
    refused = caller(role=role).get(f"{API}invoices/")
    assert refused.status_code == 403
    assert "billing:read" in refused.json()["error"]["message"]


def test_a_tenant_sees_the_models_that_are_offered(caller: Callers) -> None:
    offered, hidden = make_model(name="shown"), make_model(name="hidden")
    with as_operator():
        services.disable_model(model=hidden)
    client = caller(role="viewer")
    listed = client.get(f"{API}models/").json()["data"]
    assert [row["name"] for row in listed] == ["shown"]
    assert client.get(f"{API}models/{offered.pk}/").status_code == 200
    assert client.get(f"{API}models/{hidden.pk}/").status_code == 404
    assert client.get(f"{API}models/?enabled=false").json()["data"] == []
    for method in ("post", "patch"):
        address = f"{API}models/" + (f"{offered.pk}/" if method == "patch" else "")
        body = getattr(client, method)(address, {}, content_type="application/json")
        assert body.status_code == 403


@pytest.mark.parametrize("path", ["replicas/", "price-books/", "reconciliation/"])
def test_what_is_the_installations_is_refused_to_tenants(
    caller: Callers, path: str
) -> None:
    refused = caller(role="owner").get(API + path)
    assert refused.status_code == 403
    assert caller(scopes=[Scope.OPERATE_READ]).get(API + path).status_code == 200


def test_everybody_may_ask_who_it_is(caller: Callers) -> None:
    project = make_project()
    client = caller(role="developer", tenant=project.tenant, projects=[project])
    me = client.get(f"{API}me/").json()
    assert me["kind"] == "tenant_token"
    assert me["tenant"] == {"id": project.tenant_id, "slug": project.tenant.slug}
    assert me["member"]["role"] == "developer"
    assert me["projects"] == [project.pk]
    assert Scope.KEYS_WRITE in me["scopes"]
    assert Scope.BILLING_READ not in me["scopes"]
    few = caller(scopes=[Scope.AUDIT_READ]).get(f"{API}me/").json()
    assert few == {
        "kind": "operator_token",
        "tenant": None,
        "member": None,
        "scopes": ["audit:read"],
        "projects": None,
    }
