"""Members in the console: invited, moved, removed, and what of them who may see."""

import datetime as dt

import pytest
from allauth.mfa.models import Authenticator
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kit.orm.roles import as_operator, as_tenant
from pages.console.people.accounts import accounts
from tenants import services
from tenants.models import Invitation, Member
from tests.factories.accounts import sign_in
from tests.factories.tenants import make_member, make_project, make_tenant
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")


def at(member: Member, rest: str = "") -> str:
    """Return the address of a tenant's members."""
    return f"/console/{member.tenant.slug}/members/{rest}"


def browser(member: Member) -> Client:
    """Return the browser of a member who has signed in."""
    return sign_in(Client(), member.user)


def again(row: Member) -> Member:
    """Return a member as it is now."""
    with as_operator():
        return Member.objects.get(pk=row.pk)


def test_days_are_those_of_the_tenants_clocks() -> None:
    owner = make_member(tenant=make_tenant(zone="Pacific/Kiritimati"))
    began = dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC)
    with as_operator():
        Member.objects.filter(pk=owner.pk).update(created_at=began)
    content = text(browser(owner).get(at(owner)).content)
    assert "Since (Pacific/Kiritimati)" in content
    assert "2026-11-21" in content


def test_a_file_that_is_cut_says_so_in_its_name_and_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = make_member()
    for _ in range(2):
        make_member(tenant=owner.tenant)
    person = browser(owner)
    whole = person.get(at(owner), {"file": "members"})
    assert whole["X-Row-Count"] == "3"
    assert "first" not in whole["Content-Disposition"]
    assert "CSV of Members, all rows" in text(person.get(at(owner)).content)

    monkeypatch.setattr("pages.console.people.members.FILE_ROWS_MAX", 2)

    cut = person.get(at(owner), {"file": "members"})
    assert cut["X-Row-Count"] == "2"
    assert "-first-2.csv" in cut["Content-Disposition"]
    assert "CSV, first 2 rows of Members" in text(person.get(at(owner)).content)


def test_somebody_is_invited_and_the_offer_taken_back() -> None:
    owner = make_member()
    person = browser(owner)
    sent = {"email": "new@example.com", "role": "viewer"}

    assert person.post(at(owner, "invite/"), {**sent, "email": "x"}).status_code == 400
    person.post(at(owner, "invite/"), sent)
    twice = person.post(at(owner, "invite/"), sent)

    assert twice.status_code == 400
    with as_operator():
        row = Invitation.objects.get()
    page = text(person.get(at(owner)).content)
    assert f"new@example.com viewer mail on its way {owner.email}" in page
    soon = person.post(at(owner, f"invitations/{row.pk}/resend/"), follow=True)
    assert "written to a moment ago" in text(soon.content)
    person.post(at(owner, f"invitations/{row.pk}/revoke/"))
    with as_operator():
        row.refresh_from_db()
    assert row.revoked_at is not None
    gone = person.get(at(owner, f"invitations/{row.pk}/revoke/"))
    assert gone.status_code == 404


def test_a_member_gets_another_role_and_projects() -> None:
    owner = make_member()
    project = make_project(tenant=owner.tenant, name="Search")
    row = make_member(tenant=owner.tenant, role="viewer")

    browser(owner).post(
        at(owner, f"{row.pk}/"), {"role": "developer", "projects": [project.pk]}
    )

    assert again(row).role == "developer"
    with as_operator():
        assert [each.project_id for each in row.places.all()] == [project.pk]


def test_the_last_owner_stays_and_others_go_with_what_is_theirs() -> None:
    owner = make_member()
    row = make_member(tenant=owner.tenant, role="viewer")
    person = browser(owner)

    last = person.post(at(owner, f"{owner.pk}/remove/"), follow=True)
    assert "last owner" in text(last.content)
    assert again(owner).removed_at is None
    asked = text(person.get(at(owner, f"{row.pk}/remove/")).content)
    assert "0 keys, 0 tokens and 0 open invitations" in asked
    person.post(at(owner, f"{row.pk}/remove/"))
    assert again(row).removed_at is not None
    assert person.get(at(owner, f"{row.pk}/")).status_code == 404


def test_an_admin_neither_makes_nor_touches_owners() -> None:
    owner = make_member()
    admin = make_member(tenant=owner.tenant, role="admin")
    person = browser(admin)

    form = person.get(at(admin, "invite/")).content.decode()
    assert 'value="owner"' not in form
    assert 'value="developer"' in form
    sent = {"email": "new@example.com", "role": "owner"}
    assert person.post(at(admin, "invite/"), sent).status_code == 400
    refused = person.post(at(admin, f"{owner.pk}/"), {"role": "viewer"})
    assert "Only owners change or remove an owner" in text(refused.content)
    assert again(owner).role == "owner"


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_others_see_who_there_is_and_no_more(role: str) -> None:
    tenant = make_tenant()
    hidden = make_project(tenant=tenant, name="Hidden")
    other = make_member(
        tenant=tenant, role="developer", email="d@x.io", projects=[hidden]
    )
    with as_operator():
        services.issue_key(tenant=tenant, project=hidden, name="theirs", member=other)
    member = make_member(tenant=tenant, role=role)
    person = browser(member)

    page = text(person.get(at(member)).content)

    assert "d@x.io" in page
    assert ("Hidden 1" in page) is (role != "developer")
    assert page.count("none of yours 0") == (2 if role == "developer" else 0)
    for withheld in ("Second factor", "Signed in", "Places offered", "Invite"):
        assert withheld not in page
    sent = {"email": "new@example.com", "role": "viewer"}
    assert person.post(at(member, "invite/"), sent).status_code == 403
    removed = person.post(at(member, f"{member.pk}/remove/"))
    assert removed.status_code == 403


def test_of_accounts_a_tenant_learns_two_things_of_its_own_members() -> None:
    owner, other = make_member(), make_member()
    with as_operator():
        type(owner.user).objects.filter(pk=owner.user_id).update(
            last_login=timezone.now()
        )
        Authenticator.objects.create(
            user_id=owner.user_id, type=Authenticator.Type.TOTP, data={}
        )
    with as_tenant(owner.tenant_id):
        found = accounts([owner, other])
    assert list(found) == [owner.pk]
    assert found[owner.pk].has_second_factor
    assert found[owner.pk].signed_in_at is not None
    page = text(browser(owner).get(at(owner)).content)
    assert "set up" in page


def test_members_of_another_tenant_are_not_there() -> None:
    owner, other = make_member(), make_member(email="theirs@example.com")
    person = browser(owner)
    assert "theirs@example.com" not in text(person.get(at(owner)).content)
    for page in ("", "remove/"):
        assert person.get(at(owner, f"{other.pk}/{page}")).status_code == 404
        sent = {"role": "viewer"}
        assert person.post(at(owner, f"{other.pk}/{page}"), sent).status_code == 404
    assert again(other).removed_at is None


def test_many_members_cost_as_many_queries_as_few() -> None:
    owner = make_member()
    project = make_project(tenant=owner.tenant)
    make_member(tenant=owner.tenant, role="developer", projects=[project])
    person = browser(owner)

    def asked() -> int:
        with CaptureQueriesContext(connections["default"]) as found:
            assert person.get(at(owner)).status_code == 200
        return len(found)

    few = asked()
    for _ in range(4):
        make_member(tenant=owner.tenant, role="developer", projects=[project])
    assert asked() == few
