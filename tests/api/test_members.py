"""Members, invitations and projects over HTTP, in each role, as the app role."""

from typing import Any

import pytest
from django.test import Client

from kit.orm.roles import as_operator
from tenants.models import Invitation, Member, Project, Tenant
from tests.api.callers import Callers, bearing
from tests.factories.tenants import (
    make_member,
    make_project,
    make_tenant,
    make_token,
)

API = "/api/v1/"
JSON = "application/json"


def post(client: Client, path: str, body: dict[str, Any] | None = None) -> Any:
    """Send a JSON body."""
    return client.post(API + path, body or {}, content_type=JSON)


def patch(client: Client, path: str, body: dict[str, Any]) -> Any:
    """Send a JSON change."""
    return client.patch(API + path, body, content_type=JSON)


def listed(client: Client, path: str) -> list[int]:
    """Return the ids of a list."""
    response = client.get(API + path)
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["data"]]


@pytest.fixture
def tenant(caller: Callers) -> Tenant:
    """Provide a tenant with an owner, and another tenant beside it."""
    make_member()
    made = make_tenant()
    make_member(tenant=made)
    return made


def test_an_owner_invites_resends_and_revokes(caller: Callers, tenant: Tenant) -> None:
    owner = caller(role="owner", tenant=tenant)
    project = make_project(tenant=tenant)
    body = {"email": "Ada@acme.example", "role": "owner", "projects": [project.pk]}
    created = post(owner, "invitations/", body)
    assert created.status_code == 201, created.content
    row = created.json()
    assert row["tenant"] == tenant.pk
    assert (row["email"], row["role"]) == ("ada@acme.example", "owner")
    assert (row["projects"], row["state"], row["sent_at"]) == (
        [project.pk],
        "open",
        None,
    )
    with as_operator():
        inviter = Member.objects.get(pk=row["invited_by"])
        secret = Invitation.objects.get(pk=row["id"])
    assert inviter.tenant_id == tenant.pk
    for text in (secret.digest, secret.nonce, "tgi_"):
        assert text not in created.content.decode()
    again = post(owner, "invitations/", body)
    assert again.status_code in {409, 429}
    one = f"invitations/{row['id']}/"
    assert owner.get(API + one).json() == row
    early = post(owner, one + "resend/")
    assert early.status_code == 429
    assert 1 <= int(early["Retry-After"]) <= 60
    revoked = post(owner, one + "revoke/").json()
    assert revoked["state"] == "revoked"
    assert listed(owner, "invitations/?state=open") == []
    assert listed(owner, "invitations/?state=revoked&email=ADA@acme.example") == [
        row["id"]
    ]


def test_an_operator_names_the_tenant(caller: Callers, tenant: Tenant) -> None:
    operator = caller()
    body = {"email": "ada@acme.example", "role": "owner"}
    missing = post(operator, "invitations/", body)
    assert missing.status_code == 400
    assert missing.json()["error"]["param"] == "tenant"
    created = post(operator, "invitations/", {**body, "tenant": tenant.pk})
    assert created.status_code == 201
    assert created.json()["invited_by"] is None


@pytest.mark.parametrize(
    ("role", "status"),
    [("admin", 403), ("developer", 403), ("billing", 403), ("viewer", 403)],
)
def test_nobody_below_makes_owners(
    caller: Callers, tenant: Tenant, role: str, status: int
) -> None:
    client = caller(role=role, tenant=tenant)
    body = {"email": "ada@acme.example", "role": "owner"}
    response = post(client, "invitations/", body)
    assert response.status_code == status
    with as_operator():
        assert not Invitation.objects.exists()


def test_a_member_of_another_tenant_does_not_exist(
    caller: Callers, tenant: Tenant
) -> None:
    foreign = make_member(role="viewer")
    owner = caller(role="owner", tenant=tenant)
    said = set()
    for pk in (foreign.pk, 999_999_999):
        for response in (
            owner.get(f"{API}members/{pk}/"),
            patch(owner, f"members/{pk}/", {"role": "viewer"}),
            post(owner, f"members/{pk}/remove/"),
        ):
            assert response.status_code == 404
            said.add(response.json()["error"]["message"].replace(str(pk), "N"))
    assert said == {"There is no member N."}


def test_a_foreign_tenant_or_project_is_refused_as_one_that_does_not_exist(
    caller: Callers, tenant: Tenant
) -> None:
    other = make_tenant()
    project = make_project(tenant=other)
    owner = caller(role="owner", tenant=tenant)
    body = {"email": "ada@acme.example", "role": "viewer"}
    for field, foreign in (("tenant", other.pk), ("projects", project.pk)):
        said = set()
        for number in (foreign, 999_999):
            value = number if field == "tenant" else [number]
            response = post(owner, "invitations/", {**body, field: value})
            assert response.status_code == 400
            error = response.json()["error"]
            assert error["param"] == field
            said.add(error["message"].replace(str(number), "N"))
        assert len(said) == 1


def test_an_admin_changes_and_removes_members_but_no_owner(
    caller: Callers, tenant: Tenant
) -> None:
    admin = caller(role="admin", tenant=tenant)
    project = make_project(tenant=tenant)
    developer = make_member(tenant=tenant, role="developer")
    one = f"members/{developer.pk}/"
    changed = patch(admin, one, {"projects": [project.pk]})
    assert changed.status_code == 200, changed.content
    assert changed.json()["projects"] == [project.pk]
    assert patch(admin, one, {"role": "viewer"}).json()["role"] == "viewer"
    assert patch(admin, one, {"role": "owner"}).status_code == 403
    token = bearing(make_token(member=developer).token)
    assert token.get(API + "projects/").status_code == 200
    removed = post(admin, one + "remove/")
    assert removed.status_code == 200, removed.content
    assert removed.json()["removed_at"]
    assert token.get(API + "projects/").status_code == 401
    with as_operator():
        owner = Member.objects.get(tenant=tenant, role="owner")
    assert post(admin, f"members/{owner.pk}/remove/").status_code == 403
    assert patch(admin, f"members/{owner.pk}/", {"role": "viewer"}).status_code == 403


def test_the_last_owner_is_a_conflict(caller: Callers) -> None:
    owner = make_member()
    client = bearing(make_token(member=owner).token)
    for response in (
        post(client, f"members/{owner.pk}/remove/"),
        patch(client, f"members/{owner.pk}/", {"role": "admin"}),
    ):
        assert response.status_code == 409


@pytest.mark.parametrize("field", ["email", "name", "tenant", "user", "removed_at"])
def test_what_is_not_a_role_or_project_cannot_be_patched(
    caller: Callers, tenant: Tenant, field: str
) -> None:
    member = make_member(tenant=tenant, role="viewer")
    response = patch(caller(), f"members/{member.pk}/", {field: "x"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def test_a_developer_reaches_his_projects_and_no_others(
    caller: Callers, tenant: Tenant
) -> None:
    mine, other = make_project(tenant=tenant), make_project(tenant=tenant)
    colleague = make_member(tenant=tenant, role="developer", projects=[mine, other])
    client = caller(role="developer", tenant=tenant, projects=[mine])
    assert listed(client, "projects/") == [mine.pk]
    assert client.get(f"{API}projects/{mine.pk}/").status_code == 200
    assert client.get(f"{API}projects/{other.pk}/").status_code == 404
    shown = client.get(f"{API}members/{colleague.pk}/").json()
    assert shown["projects"] == [mine.pk]
    assert listed(client, f"members/?project={other.pk}") == []
    assert colleague.pk in listed(client, f"members/?project={mine.pk}")
    assert post(client, "projects/", {"slug": "x", "name": "X"}).status_code == 403


def test_a_tenants_own_token_creates_and_archives_projects(
    caller: Callers, tenant: Tenant
) -> None:
    admin = caller(role="admin", tenant=tenant)
    created = post(admin, "projects/", {"slug": "web", "name": "Web"})
    assert created.status_code == 201, created.content
    project = created.json()
    assert project["tenant"] == tenant.pk
    one = f"projects/{project['id']}/"
    assert patch(admin, one, {"name": "New"}).json()["name"] == "New"
    assert post(admin, one + "archive/").json()["archived_at"]
    with as_operator():
        foreign = Project.objects.exclude(tenant=tenant).first()
    assert foreign is not None
    assert post(admin, f"projects/{foreign.pk}/archive/").status_code == 404
    assert listed(admin, "projects/?search=WEB&archived=true") == [project["id"]]
    assert listed(admin, "projects/?created_before=2020-01-01T00:00:00Z") == []


def test_a_tenant_reads_and_changes_itself_and_is_what_it_is(
    caller: Callers, tenant: Tenant
) -> None:
    owner = caller(role="owner", tenant=tenant)
    assert listed(owner, "tenants/") == [tenant.pk]
    one = f"tenants/{tenant.pk}/"
    assert patch(owner, one, {"name": "New"}).json()["name"] == "New"
    for act in ("suspend/", "restore/", "set-plan/"):
        assert post(owner, one + act, {"plan": None}).status_code == 403
    with as_operator():
        other = Tenant.objects.exclude(pk=tenant.pk).first()
    assert other is not None
    assert owner.get(f"{API}tenants/{other.pk}/").status_code == 404


def test_operators_find_tenants_by_what_they_know(
    caller: Callers, tenant: Tenant
) -> None:
    operator = caller()
    acme = make_tenant(slug="acme", name="Acme Ltd", billing_email="pay@acme.example")
    for query in ("search=ACME LTD", "search=pay@", "search=acm", "slug=acme"):
        assert listed(operator, f"tenants/?{query}") == [acme.pk]
    assert listed(operator, "tenants/?search=acme&state=suspended") == []
    assert listed(operator, "tenants/?plan=nothing") == []
    now = acme.created_at.isoformat().replace("+00:00", "Z")
    assert listed(operator, f"tenants/?created_after={now}") == [acme.pk]
    assert acme.pk not in listed(operator, f"tenants/?created_before={now}")
