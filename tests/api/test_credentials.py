"""Keys and tokens over HTTP as tenants and operators: each in the role it calls in."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from kit import api_keys
from kit.scopes import Scope
from tenants.models import KeyUse
from tests.api.callers import Callers
from tests.factories.tenants import make_key, make_member, make_project, make_token

JSON = "application/json"
API = "/api/v1/"
LATER = "2099-01-01T00:00:00Z"


def post(client: Client, path: str, **body: Any) -> Any:
    """Send a JSON body."""
    return client.post(API + path, body, content_type=JSON)


def patch(client: Client, path: str, **body: Any) -> Any:
    """Send a JSON change."""
    return client.patch(API + path, body, content_type=JSON)


def refusal(response: Any) -> tuple[int, str | None, str | None]:
    """Return how a request was refused."""
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


def ids(client: Client, path: str) -> list[int]:
    """List the ids of a page."""
    return [row["id"] for row in client.get(API + path).json()["data"]]


def test_a_developer_lives_with_keys_of_his_own(caller: Callers) -> None:
    project = make_project()
    tenant = project.tenant
    hidden = make_key(tenant=tenant).row
    shared = make_key(project=project).row
    developer = caller(role="developer", tenant=tenant, projects=[project])

    issued = post(developer, "keys/", project=project.pk, name="laptop")
    assert issued.status_code == 201, issued.content
    own = issued.json()
    assert own["member"] is not None
    assert api_keys.is_well_formed(own.pop("key"))
    assert ids(developer, "keys/") == [own["id"], shared.pk]
    assert developer.get(f"{API}keys/{own['id']}/").json() == own
    assert developer.get(f"{API}keys/{hidden.pk}/").status_code == 404
    assert refusal(post(developer, f"keys/{shared.pk}/revoke/")) == (
        403,
        "not_yours",
        None,
    )
    assert post(developer, f"keys/{hidden.pk}/revoke/").status_code == 404
    outside = post(developer, "keys/", project=hidden.project_id, name="x")
    nowhere = post(developer, "keys/", project=999_999_999, name="x")
    assert refusal(outside) == refusal(nowhere)

    rotated = post(developer, f"keys/{own['id']}/rotate/", overlap_s=0).json()
    assert rotated["replaces"] == own["id"]
    assert developer.get(f"{API}keys/{own['id']}/").json()["state"] == "expired"
    again = post(developer, f"keys/{own['id']}/rotate/")
    assert again.status_code == 409
    assert f"key {rotated['id']}" in again.json()["error"]["message"]
    assert post(developer, f"keys/{rotated['id']}/revoke/").json()["state"] == "revoked"


def test_an_owner_issues_for_services_and_sees_all(caller: Callers) -> None:
    project = make_project()
    owner = caller(role="owner", tenant=project.tenant)
    foreign = make_key().row
    service = post(owner, "keys/", project=project.pk, name="ci", member=None).json()
    own = post(owner, "keys/", project=project.pk, name="mine").json()
    assert service["member"] is None
    assert own["member"] is not None
    assert ids(owner, "keys/") == [own["id"], service["id"]]
    assert ids(owner, f"keys/?tenant={foreign.tenant_id}") == []
    assert owner.get(f"{API}keys/{foreign.pk}/").status_code == 404
    other = make_member(tenant=project.tenant, role="owner")
    theirs = post(owner, "keys/", project=project.pk, name="x", member=other.pk)
    assert refusal(theirs) == (403, "not_yours", "member")
    stranger = make_member()
    wrong = post(owner, "keys/", project=project.pk, name="x", member=stranger.pk)
    assert refusal(wrong)[::2] == (400, "member")


def test_a_program_gives_no_scope_that_it_does_not_hold(caller: Callers) -> None:
    project = make_project()
    narrow = caller(
        tenant=project.tenant,
        scopes=[Scope.KEYS_WRITE, Scope.KEYS_READ, Scope.TOKENS_WRITE, Scope.EMBED],
    )
    key = post(narrow, "keys/", project=project.pk, name="k").json()
    assert key["scopes"] == ["embed"]
    wider = patch(narrow, f"keys/{key['id']}/", scopes=["embed", "generate"])
    assert refusal(wider) == (403, "scope_beyond_yours", "scopes")
    token = post(narrow, "tokens/", name="t", scopes=["members:write"])
    assert refusal(token) == (403, "scope_beyond_yours", "scopes")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"scopes": ["keys:write"]}, "scopes.0"),
        ({"scopes": []}, "scopes"),
        ({"allowed_models": ["nothing"]}, "allowed_models"),
        ({"allowed_networks": ["10.1.2.3/8"]}, "allowed_networks"),
        ({"allowed_networks": "10.0.0.0/8"}, "allowed_networks"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": " "}, "name"),
        ({"member": 1}, "member"),
        ({"tenant": 1}, "tenant"),
        ({"digest": "x"}, "digest"),
        ({"revoked_at": None}, "revoked_at"),
    ],
)
def test_a_wrong_change_of_a_key_names_its_field(
    operator: Client, change: dict[str, Any], param: str
) -> None:
    key = make_key().row
    response = patch(operator, f"keys/{key.pk}/", **change)
    assert refusal(response)[::2] == (400, param)


def test_networks_are_answered_in_one_spelling(operator: Client) -> None:
    key = make_key().row
    networks = ["2001:DB8::/32", "::ffff:192.0.2.0/120", "192.0.2.0/24"]
    changed = patch(operator, f"keys/{key.pk}/", allowed_networks=networks).json()
    assert changed["allowed_networks"] == ["192.0.2.0/24", "2001:db8::/32"]


def test_tokens_are_shown_once_and_open_at_once(caller: Callers) -> None:
    project = make_project()
    owner = caller(role="owner", tenant=project.tenant)
    response = post(owner, "tokens/", name="report", scopes=["usage:read"], member=None)
    assert response.status_code == 201, response.content
    assert response["Cache-Control"] == "no-store"
    issued = response.json()
    text = issued.pop("token")
    assert issued["kind"] == "service"
    assert issued["tenant"] == project.tenant_id
    one = owner.get(f"{API}tokens/{issued['id']}/")
    assert one.json() == issued
    assert (
        text not in one.content.decode() + owner.get(f"{API}tokens/").content.decode()
    )

    program = Client(headers={"Authorization": f"Bearer {text}"})
    assert program.get(f"{API}usage/").status_code == 200
    assert program.get(f"{API}keys/").status_code == 403
    post(owner, f"tokens/{issued['id']}/revoke/")
    assert program.get(f"{API}usage/").status_code == 401


def test_a_persons_token_is_his_own_and_expires(caller: Callers) -> None:
    viewer = caller(role="viewer")
    made = post(viewer, "tokens/", name="mine", scopes=["usage:read"]).json()
    assert made["kind"] == "personal"
    assert dt.datetime.fromisoformat(made["expires_at"]) < dt.datetime.now(
        dt.UTC
    ) + dt.timedelta(days=91)
    assert len(ids(viewer, "tokens/")) == 2
    forever = patch(viewer, f"tokens/{made['id']}/", expires_at=LATER)
    assert refusal(forever)[::2] == (400, "expires_at")
    service = post(viewer, "tokens/", name="x", scopes=["usage:read"], member=None)
    assert refusal(service) == (403, "not_yours", "member")


def test_a_suspended_tenant_reads_and_does_not_write(caller: Callers) -> None:
    project = make_project()
    root = caller()
    owner = caller(role="owner", tenant=project.tenant)
    post(root, f"tenants/{project.tenant_id}/suspend/")
    for path in ("usage/", "invoices/", "keys/", "tokens/"):
        assert owner.get(API + path).status_code == 200, path
    refused = post(owner, "keys/", project=project.pk, name="k")
    assert refusal(refused) == (403, "tenant_suspended", None)
    post(root, f"tenants/{project.tenant_id}/restore/")
    assert post(owner, "keys/", project=project.pk, name="k").status_code == 201


def test_operators_tokens_are_not_there_for_tenants(caller: Callers) -> None:
    operators = make_token().row
    owner = caller(role="owner")
    assert owner.get(f"{API}tokens/{operators.pk}/").status_code == 404
    assert post(owner, f"tokens/{operators.pk}/revoke/").status_code == 404
    assert operators.pk not in ids(owner, "tokens/")


def test_a_narrow_operator_makes_no_wide_operator(caller: Callers) -> None:
    narrow = caller(scopes=[Scope.TOKENS_READ, Scope.TOKENS_WRITE])
    wide = post(narrow, "tokens/", name="x", scopes=["operate:write"])
    assert refusal(wide) == (403, "scope_beyond_yours", "scopes")
    made = post(narrow, "tokens/", name="x", scopes=["tokens:read"]).json()
    assert made["kind"] == "operator"
    assert made["token"].startswith(api_keys.OPERATOR_TOKEN_PREFIX)


def test_use_makes_no_new_version_of_a_key(operator: Client) -> None:
    key = make_key().row
    before = operator.get(f"{API}keys/{key.pk}/")["ETag"]
    KeyUse.objects.create(
        api_key=key, tenant=key.tenant, last_used_at=dt.datetime.now(dt.UTC), model="m"
    )
    after = operator.get(f"{API}keys/{key.pk}/")
    assert after.json()["last_used_model"] == "m"
    assert after["ETag"] == before
