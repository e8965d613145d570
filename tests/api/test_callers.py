"""Each caller acts in its own role: by its scopes, in its tenant, in its projects."""

import pytest

from kit.scopes import Scope
from tests.api.callers import Callers
from tests.factories.tenants import make_project, make_tenant

API = "/api/v1/"


def test_a_tenants_token_sees_its_own_rows_and_no_others(caller: Callers) -> None:
    own, other = make_tenant(), make_tenant()
    client = caller(tenant=own)
    listed = client.get(f"{API}tenants/").json()["data"]
    assert [row["id"] for row in listed] == [own.pk]
    assert client.get(f"{API}tenants/{own.pk}/").status_code == 200
    assert client.get(f"{API}tenants/{other.pk}/").status_code == 404
    everything = caller().get(f"{API}tenants/").json()["data"]
    assert {row["id"] for row in everything} >= {own.pk, other.pk}


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "billing", "viewer"])
def test_each_role_may_do_what_it_holds(caller: Callers, role: str) -> None:
    project = make_project()
    client = caller(role=role, tenant=project.tenant, projects=[project])
    assert client.get(f"{API}projects/").status_code == 200
    created = client.post(f"{API}tenants/", {}, content_type="application/json")
    assert created.status_code == 403


def test_an_operators_token_without_the_scope_is_refused(caller: Callers) -> None:
    client = caller(scopes=[Scope.TENANT_READ])
    assert client.get(f"{API}tenants/").status_code == 200
    refused = client.get(f"{API}replicas/")
    assert refused.status_code == 403
    assert "operate:read" in refused.json()["error"]["message"]
