"""Tenants, projects, keys over HTTP: what goes in, what comes out, what is refused."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from kit import api_keys
from tenants.models import ApiKey
from tests.factories.tenants import make_key, make_project, make_tenant

JSON = "application/json"
API = "/api/v1/"


def post(client: Client, path: str, body: dict[str, Any] | None = None) -> Any:
    """Send a JSON body."""
    return client.post(API + path, body or {}, content_type=JSON)


def patch(client: Client, path: str, body: dict[str, Any]) -> Any:
    """Send a JSON change."""
    return client.patch(API + path, body, content_type=JSON)


def test_a_tenant_is_created_read_changed_suspended_and_restored(
    operator: Client,
) -> None:
    body = {"slug": "acme", "name": "Acme", "currency": "EUR", "zone": "Europe/Berlin"}
    created = post(operator, "tenants/", body)
    assert created.status_code == 201
    tenant = created.json()
    assert tenant == {
        **body,
        "id": tenant["id"],
        "state": "active",
        "period_day": 1,
        "suspended_for": "",
        "billing_email": "",
        "plan": None,
        "payment_mode": "postpaid",
        "created_at": tenant["created_at"],
    }
    one = f"tenants/{tenant['id']}/"
    assert operator.get(API + one).json() == tenant
    changed = patch(operator, one, {"name": "New", "billing_email": "a@example.com"})
    assert changed.status_code == 200
    assert changed.json() == {**tenant, "name": "New", "billing_email": "a@example.com"}
    assert post(operator, one + "suspend/").json()["state"] == "suspended"
    assert post(operator, one + "restore/").json()["state"] == "active"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "Acme"}, "slug"),
        ({"slug": "Acme!", "name": "Acme"}, "slug"),
        ({"slug": "acme", "name": ""}, "name"),
        ({"slug": "acme", "name": "Acme", "currency": "euro"}, "currency"),
        ({"slug": "acme", "name": "Acme", "zone": "Mars"}, "zone"),
        ({"slug": "acme", "name": "Acme", "billing_email": "x"}, "billing_email"),
        ({"slug": "acme", "name": "Acme", "state": "suspended"}, "state"),
        ({"slug": "acme", "name": ["Acme"]}, "name"),
    ],
)
def test_a_wrong_tenant_is_400_and_names_the_field(
    operator: Client, body: dict[str, Any], param: str
) -> None:
    response = post(operator, "tenants/", body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_a_taken_slug_is_409(operator: Client) -> None:
    make_tenant(slug="acme")
    response = post(operator, "tenants/", {"slug": "acme", "name": "Acme"})
    assert response.status_code == 409
    assert response.json()["error"] == {
        "message": "There is already a tenant with this slug. Choose another slug.",
        "type": "invalid_request_error",
        "param": "slug",
        "code": "conflict",
    }


@pytest.mark.parametrize("field", ["slug", "currency", "state", "id", "created_at"])
def test_what_is_for_good_cannot_be_patched(operator: Client, field: str) -> None:
    tenant = make_tenant()
    response = patch(operator, f"tenants/{tenant.pk}/", {field: "other"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def test_lists_are_paged_by_key_to_the_end(operator: Client) -> None:
    made = [make_tenant().pk for _ in range(5)]
    seen: list[int] = []
    address: str | None = API + "tenants/?limit=2"
    while address:
        page = operator.get(address).json()
        assert len(page["data"]) <= 2
        seen += [row["id"] for row in page["data"]]
        address = page["next"]
    assert seen == sorted(made, reverse=True)


def test_a_page_stands_still_while_rows_are_added(operator: Client) -> None:
    made = [make_tenant().pk for _ in range(4)]
    first = operator.get(API + "tenants/?limit=2").json()
    make_tenant()
    second = operator.get(first["next"]).json()
    assert [row["id"] for row in second["data"]] == [made[1], made[0]]
    back = operator.get(second["previous"]).json()
    assert [row["id"] for row in back["data"]] == [made[3], made[2]]


def test_filters_narrow_and_wrong_ones_are_refused(operator: Client) -> None:
    tenant, other = make_tenant(slug="acme"), make_tenant()
    key = make_key(tenant=tenant).row
    make_key(tenant=other)
    listed = operator.get(f"{API}keys/?tenant={tenant.pk}").json()["data"]
    assert [row["id"] for row in listed] == [key.pk]
    by_slug = operator.get(API + "tenants/?slug=acme").json()["data"]
    assert [row["id"] for row in by_slug] == [tenant.pk]
    post(operator, f"keys/{key.pk}/revoke/")
    active = operator.get(f"{API}keys/?active=true&tenant={tenant.pk}").json()["data"]
    assert active == []
    assert operator.get(API + "keys/?tenant=acme").status_code == 400
    assert operator.get(API + "tenants/?state=asleep").status_code == 400


def test_a_key_is_in_the_answer_to_its_issuing_and_in_no_other(
    operator: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    project = make_project()
    response = post(operator, "keys/", {"project": project.pk, "name": "laptop"})
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    issued = response.json()
    key = issued.pop("key")
    assert api_keys.is_well_formed(key)
    row = ApiKey.objects.get(pk=issued["id"])
    assert row.digest == api_keys.digest(key, settings.API_KEY_SECRET)
    one = operator.get(f"{API}keys/{row.pk}/")
    listed = operator.get(f"{API}keys/")
    assert one.json() == issued == listed.json()["data"][0]
    for text in (one.content.decode(), listed.content.decode(), caplog.text):
        assert key not in text
        assert row.digest not in text


def test_a_key_of_another_tenants_project_is_refused(operator: Client) -> None:
    project, other = make_project(), make_tenant()
    body = {"project": project.pk, "tenant": other.pk, "name": "key"}
    response = post(operator, "keys/", body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "project"
    own = post(operator, "keys/", {**body, "tenant": project.tenant_id})
    assert own.status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "param", "message"),
    [
        ("keys/", {"project": 999999, "name": "k"}, "project", "no project 999999"),
        ("keys/", {"project": "x", "name": "k"}, "project", ""),
        ("projects/", {"tenant": 999999, "slug": "a", "name": "A"}, "tenant", "999999"),
    ],
)
def test_a_reference_to_nothing_is_400(
    operator: Client, path: str, body: dict[str, Any], param: str, message: str
) -> None:
    response = post(operator, path, body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert message in response.json()["error"]["message"]


def test_an_expiry_in_the_past_is_400(operator: Client) -> None:
    body = {
        "project": make_project().pk,
        "name": "old",
        "expires_at": "2020-01-01T00:00:00Z",
    }
    response = post(operator, "keys/", body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "expires_at"


def test_revoking_is_idempotent_and_for_good(operator: Client) -> None:
    key = make_key().row
    first = post(operator, f"keys/{key.pk}/revoke/").json()
    again = post(operator, f"keys/{key.pk}/revoke/").json()
    assert first["revoked_at"]
    assert again == first
    response = patch(operator, f"keys/{key.pk}/", {"name": "other"})
    assert response.status_code == 409


def test_a_project_is_created_renamed_and_archived(operator: Client) -> None:
    tenant = make_tenant()
    body = {"tenant": tenant.pk, "slug": "web", "name": "Web"}
    created = post(operator, "projects/", body)
    assert created.status_code == 201
    project = created.json()
    assert {**project, **body, "archived_at": None} == project
    one = f"projects/{project['id']}/"
    assert patch(operator, one, {"name": "New"}).json()["name"] == "New"
    assert post(operator, one + "archive/").json()["archived_at"]
    late = post(operator, "keys/", {"project": project["id"], "name": "late"})
    assert late.status_code == 400
    assert post(operator, "projects/", body).status_code == 409
