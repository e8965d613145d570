"""An operator looks at a tenant's console: reads it, for a while, and it is told."""

import datetime as dt

import pytest
from django.test import Client

from kit.orm.roles import as_operator
from tenants.models import AuditEntry, Member
from tests.factories.accounts import make_operator, make_staff, sign_in
from tests.factories.tenants import make_member, make_tenant, make_token
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")


def looking() -> tuple[Client, Member]:
    """Begin to look at a member's tenant."""
    member = make_member()
    person = sign_in(Client(), make_operator())
    answer = person.post(f"/admin/tenants/{member.tenant_id}/look/")
    assert answer["Location"] == f"/console/{member.tenant.slug}/"
    return person, member


def test_the_operator_sees_the_tenant_and_the_tenant_is_told() -> None:
    person, member = looking()

    said = text(person.get(f"/console/{member.tenant.slug}/").content)

    assert f"You look at {member.tenant.name} as an operator." in said
    with as_operator():
        entry = AuditEntry.objects.get(chain=member.tenant_id, action="look_at")
        assert Member.objects.filter(tenant=member.tenant).count() == 1
    assert entry.actor_kind == "operator"
    owner = make_member(tenant=member.tenant, role="owner").user
    audit = sign_in(Client(), owner).get(f"/console/{member.tenant.slug}/audit/")
    assert f"tenant {member.tenant_id} looked at" in text(audit.content)


def test_nothing_is_changed_and_nobodys_tokens_are_seen() -> None:
    person, member = looking()
    token = make_token(member=member).row
    root = f"/console/{member.tenant.slug}/tokens/"

    assert person.get(root).status_code == 403
    assert token.shown not in person.get(root).content.decode()
    for page in ("new/", f"{token.pk}/revoke/"):
        answer = person.post(f"{root}{page}")
        assert answer.status_code == 403
        assert "nothing of it is changed here" in text(answer.content)
    service = make_token(tenant=member.tenant).row
    assert person.get(f"{root}{service.pk}/revoke/").status_code == 404
    with as_operator():
        token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("limits/", "Send me a test alert"),
        ("notifications/", "Send me a test mail"),
        ("exports/", "Ask for it"),
    ],
)
def test_what_is_a_members_alone_is_not_offered(path: str, asked: str) -> None:
    person, member = looking()
    page = f"/console/{member.tenant.slug}/{path}"

    seen = person.get(page)
    theirs = sign_in(Client(), make_member(tenant=member.tenant, role="owner").user)

    assert seen.status_code == 200
    assert asked not in text(seen.content)
    assert b"/notifications/mine/" not in seen.content
    assert asked in text(theirs.get(page).content)


def test_it_is_of_one_tenant_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    person, member = looking()
    page = f"/console/{member.tenant.slug}/"
    assert person.get(f"/console/{make_tenant().slug}/").status_code == 404

    look = f"/admin/tenants/{member.tenant_id}/look/"
    person.post(look, {"end": "yes"})
    assert person.get(page).status_code == 404
    monkeypatch.setattr("pages.console.looking.LOOKS_FOR", dt.timedelta())
    person.post(look)
    assert person.get(page).status_code == 404


def test_who_may_not_see_all_of_it_may_not_look() -> None:
    member = make_member()
    person = sign_in(Client(), make_staff("Finance"))
    page = f"/admin/tenants/{member.tenant_id}/look/"

    assert person.post(page).status_code == 403
    assert sign_in(Client(), make_operator("eve")).get(page).status_code == 405
    assert person.get(f"/console/{member.tenant.slug}/").status_code == 404
