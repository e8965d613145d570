"""Members issue, see, rotate and revoke their own tokens on a page of their tenant."""

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kit import api_keys
from kit.acting import ActorKind
from kit.networks import address_of
from kit.orm.roles import as_operator
from kit.scopes import Scope
from pages.access import POLICY
from tenants import selectors, services
from tenants.models import AuditEntry, ManagementToken, Member, TokenState
from tenants.roles import scopes_of
from tests.factories.accounts import sign_in
from tests.factories.tenants import make_member, make_tenant, make_token

pytestmark = pytest.mark.usefixtures("fresh_database")

DAY = dt.timedelta(days=1)
TEXT = re.compile(r"tgt_[0-9A-Za-z]{49}")
NEW = {"name": "deploy", "scopes": ["usage:read", "tokens:read"], "days": "30"}


def at(member: Member, rest: str = "") -> str:
    """Return the address of a member's tokens."""
    return f"/console/{member.tenant.slug}/tokens/{rest}"


def browser(member: Member, **options: Any) -> Client:
    """Return the browser of a member who has signed in."""
    return sign_in(Client(**options), member.user)


def own(member: Member) -> list[ManagementToken]:
    """Return a member's tokens, newest first."""
    with as_operator():
        return list(ManagementToken.objects.filter(member=member))


def opens(text: str) -> bool:
    """Tell whether a token opens the management API."""
    address = address_of("192.0.2.7")
    with as_operator():
        found = selectors.holder_of_token(text, address=address, now=timezone.now())
    return found is not None


def test_a_member_issues_a_token_that_is_shown_once() -> None:
    member = make_member(role="viewer")
    person = browser(member)
    answer = person.post(at(member, "new/"), NEW)
    (text,) = TEXT.findall(answer.content.decode())
    (row,) = own(member)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert answer["Content-Security-Policy"] == POLICY
    assert opens(text)
    assert (row.name, row.tenant_id, row.shown) == (
        "deploy",
        member.tenant_id,
        api_keys.shown(text),
    )
    assert row.scopes == ["tokens:read", "usage:read"]
    assert row.expires_at
    assert abs(row.expires_at - timezone.now() - 30 * DAY) < dt.timedelta(minutes=1)
    page = person.get(at(member)).content.decode()
    assert row.shown in page
    assert not TEXT.search(page)
    assert text not in str(person.cookies)
    with as_operator():
        assert text not in str(dict(person.session))
        entry = AuditEntry.objects.filter(action="issue").latest("pk")
    assert (entry.actor_kind, entry.actor_id) == (ActorKind.MEMBER, member.pk)


@pytest.mark.parametrize("role", ["owner", "developer", "billing", "viewer"])
def test_the_boxes_are_those_of_the_role(role: str) -> None:
    member = make_member(role=role)
    page = browser(member).get(at(member, "new/")).content.decode()
    boxes = set(re.findall(r'type="checkbox" name="scopes" value="([^"]+)"', page))
    assert boxes == scopes_of(role)
    assert "checked" not in page
    assert 'name="days" value="90" inputmode="numeric" min="1" max="365"' in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scopes": ["members:write"]}, "members:write is not one of the available"),
        ({"scopes": []}, "Choose at least one"),
        ({"name": "  "}, "This field is required"),
        ({"days": "366"}, "less than or equal to 365"),
        ({"days": "0"}, "greater than or equal to 1"),
        ({"days": ""}, "This field is required"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_issued(
    wrong: dict[str, Any], said: str
) -> None:
    member = make_member(role="viewer")
    answer = browser(member).post(at(member, "new/"), NEW | wrong)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert own(member) == []


def test_what_the_service_refuses_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member(role="viewer")
    monkeypatch.setattr(
        "pages.console.tokens.views.NewTokenForm.expires_at",
        lambda *_, now: now + 400 * DAY,
    )
    answer = browser(member).post(at(member, "new/"), NEW)
    assert answer.status_code == 400
    assert "at most 365 days" in answer.content.decode()
    assert own(member) == []


def test_a_rotated_token_goes_on_for_as_long_as_was_chosen() -> None:
    member = make_member(role="viewer")
    old = make_token(member=member, expires_at=timezone.now() + 30 * DAY)
    person, page = browser(member), at(member, f"{old.row.pk}/rotate/")
    assert 'value="86400" selected' in person.get(page).content.decode()
    assert person.post(page, {"overlap_s": "5"}).status_code == 400
    answer = person.post(page, {"overlap_s": "0"})
    (text,) = TEXT.findall(answer.content.decode())
    fresh, former = own(member)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert (fresh.replaces_id, fresh.scopes) == (former.pk, former.scopes)
    assert former.state_at(timezone.now()) is TokenState.EXPIRED
    assert (opens(text), opens(old.token)) == (True, False)
    again = person.post(page, {"overlap_s": "0"})
    assert again.status_code == 400
    assert f"replaced by token {fresh.pk}" in again.content.decode()


def test_revoking_takes_a_post() -> None:
    member = make_member(role="viewer")
    token = make_token(member=member)
    person, page = browser(member), at(member, f"{token.row.pk}/revoke/")
    asked = person.get(page)
    assert asked.status_code == 200
    assert opens(token.token)
    answer = person.post(page, follow=True)
    assert answer.redirect_chain == [(at(member), 302)]
    assert f"The token {token.row.name} is revoked." in answer.content.decode()
    assert not opens(token.token)
    assert person.post(page).status_code == 302


def test_the_list_says_what_works_and_what_has_ended() -> None:
    member = make_member(role="viewer")
    now = timezone.now()
    made = [make_token(member=member, expires_at=now + 30 * DAY) for _ in range(3)]
    with as_operator():
        services.revoke_token(token=made[0].row, now=now)
        services.rotate_token(token=made[1].row, now=now)
        Member.objects.filter(pk=member.pk).update(role="billing")
        ManagementToken.objects.filter(pk=made[2].row.pk).update(
            scopes=["members:write", "usage:read"]
        )
    page = browser(member).get(at(member)).content.decode()
    works, ended = page.split("<h2>Ended</h2>")
    assert made[0].row.shown in ended
    assert "Revoked" in ended
    assert "Replaced; works until" in works
    assert "Your role holds back: members:write." in works
    rotated = {int(each) for each in re.findall(r"/tokens/(\d+)/rotate/", page)}
    assert rotated == {row.pk for row in own(member)} - {
        made[0].row.pk,
        made[1].row.pk,
    }


def test_a_suspended_tenants_tokens_are_seen_and_revoked_alone() -> None:
    member = make_member()
    token = make_token(member=member, expires_at=timezone.now() + DAY)
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    person = browser(member)
    page = person.get(at(member)).content.decode()
    assert token.row.shown in page
    assert "The suspension holds back" in page
    for rest in ("new/", f"{token.row.pk}/rotate/"):
        assert rest not in page
        for answer in (person.get(at(member, rest)), person.post(at(member, rest))):
            assert answer.status_code == 403
            assert b"suspended" in answer.content
    person.post(at(member, f"{token.row.pk}/revoke/"))
    assert not opens(token.token)


def test_a_lower_role_cannot_give_what_it_had() -> None:
    member = make_member(role="admin")
    token = make_token(member=member, scopes=[Scope.MEMBERS_WRITE])
    with as_operator():
        Member.objects.filter(pk=member.pk).update(role="viewer")
    answer = browser(member).post(
        at(member, f"{token.row.pk}/rotate/"), {"overlap_s": "0"}
    )
    assert answer.status_code == 400
    assert "members:write" in answer.content.decode()
    assert opens(token.token)


def test_somebody_in_two_tenants_sees_the_tokens_of_each_in_its_own() -> None:
    here = make_member()
    there_tenant = make_tenant()
    with as_operator():
        there = Member.objects.create(
            tenant=there_tenant, user=here.user, email=here.email, role="viewer"
        )
    mine, other = make_token(member=here).row, make_token(member=there).row
    person = browser(here)
    assert mine.shown in person.get(at(here)).content.decode()
    assert mine.shown not in person.get(at(there)).content.decode()
    assert person.get(at(there, f"{mine.pk}/revoke/")).status_code == 404
    assert person.get(at(there, f"{other.pk}/revoke/")).status_code == 200
    home = person.get("/console/").content.decode()
    roots = [f"/console/{place.tenant.slug}/" for place in (here, there)]
    assert all(f'href="{root}"' in home for root in roots)
    # Each leads to the other, and marks where one is.
    page = person.get(at(here)).content.decode()
    assert f'href="{roots[1]}"' in page
    assert f'href="{at(here)}" aria-current="page"' in page
