"""The console shows a tenant to its members and to nobody else."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from kit.orm.roles import as_operator
from pages.access import POLICY
from tenants import services
from tenants.models import ManagementToken, Member
from tests.factories.accounts import make_operator, make_person, sign_in
from tests.factories.tenants import make_member, make_tenant, make_token

pytestmark = pytest.mark.usefixtures("fresh_database")

NEW = {"name": "deploy", "scopes": ["usage:read"], "days": "30"}


def pages(slug: str, token_id: int = 1) -> list[str]:
    """Return the pages of tokens of a tenant."""
    root = f"/console/{slug}/tokens/"
    rotate, revoke = (f"{root}{token_id}/{verb}/" for verb in ("rotate", "revoke"))
    return [root, f"{root}new/", rotate, revoke]


def answered(person: Client, page: str) -> list[tuple[int, str, str]]:
    """Return what a page answers to being read and written to, but for secrets."""
    found = []
    for answer in (person.get(page), person.post(page, NEW | {"overlap_s": "0"})):
        body = re.sub(r'value="\w{64}"', "", answer.content.decode())
        found.append(
            (answer.status_code, str(answer.get("Content-Security-Policy")), body)
        )
    return found


def unchanged(row: ManagementToken) -> bool:
    """Tell whether a token is the only one and as it was."""
    with as_operator():
        (found,) = ManagementToken.objects.all()
    return (found.revoked_at, found.expires_at) == (row.revoked_at, row.expires_at)


@pytest.mark.parametrize("who", ["colleague elsewhere", "nobody's", "removed"])
def test_a_tenant_of_others_is_answered_as_one_that_does_not_exist(who: str) -> None:
    member = make_member()
    row = make_token(member=member).row
    if who == "removed":
        user = make_member(tenant=member.tenant, role="viewer").user
        with as_operator():
            Member.objects.filter(user=user).update(removed_at=timezone.now())
    elif who == "colleague elsewhere":
        user = make_member(tenant=make_tenant()).user
    else:
        user = make_person()
    person = sign_in(Client(), user)
    theirs = pages(member.tenant.slug, row.pk)
    for page, absent in zip(theirs, pages("no-such-tenant", row.pk), strict=True):
        answers = answered(person, page)
        if page.endswith("tokens/"):
            assert answers[0] == answered(person, absent)[0]
            assert answers[1][0] == 405
            assert answers[0][0] == 404
            continue
        assert answers == answered(person, absent)
        assert [status for status, *_ in answers] == [404, 404]
    assert unchanged(row)


def test_who_is_removed_while_signed_in_finds_nothing_any_more() -> None:
    member = make_member(role="viewer")
    make_member(tenant=member.tenant)
    person, page = sign_in(Client(), member.user), pages(member.tenant.slug)[0]
    assert person.get(page).status_code == 200
    with as_operator():
        services.remove_member(member=member, now=timezone.now())
    assert person.get(page).status_code == 404
    assert person.post(f"{page}new/", NEW).status_code == 404
    with as_operator():
        assert not ManagementToken.objects.filter(member=member).exists()


def test_a_colleagues_token_is_not_there_even_for_owners() -> None:
    member = make_member(role="viewer")
    owner = make_member(tenant=member.tenant)
    row = make_token(member=member).row
    person = sign_in(Client(), owner.user)
    listed, _, *one = pages(member.tenant.slug, row.pk)
    assert row.shown not in person.get(listed).content.decode()
    for page, absent in zip(one, pages(member.tenant.slug, 0)[2:], strict=True):
        for (status, _, body), (_, _, none) in zip(
            answered(person, page), answered(person, absent), strict=True
        ):
            assert status == 404
            assert body.replace(f"token {row.pk}.", "") == none.replace("token 0.", "")
    assert unchanged(row)


def test_an_operator_without_a_place_has_none_here() -> None:
    member = make_member()
    person = sign_in(Client(), make_operator())
    assert person.get(pages(member.tenant.slug)[0]).status_code == 404


def test_a_post_from_elsewhere_is_refused() -> None:
    member = make_member()
    row = make_token(member=member).row
    person = sign_in(Client(enforce_csrf_checks=True), member.user)
    for page in pages(member.tenant.slug, row.pk)[1:]:
        answer = person.post(page, NEW | {"overlap_s": "0"})
        assert answer.status_code == 403
    assert unchanged(row)
    page = pages(member.tenant.slug, row.pk)[3]
    (proof,) = set(
        re.findall(
            r'csrfmiddlewaretoken" value="(\w+)"', person.get(page).content.decode()
        )
    )
    assert person.post(page, {"csrfmiddlewaretoken": proof}).status_code == 302
    assert not unchanged(row)


def test_nobody_is_sent_to_sign_in_and_back() -> None:
    member = make_member()
    for page in pages(member.tenant.slug):
        answer = Client().get(page)
        assert answer.status_code == 302
        assert answer["Location"] == f"/accounts/login/?next={page}"


def test_every_page_forbids_scripts_and_caching() -> None:
    member = make_member()
    row = make_token(member=member).row
    person = sign_in(Client(), member.user)
    for page in pages(member.tenant.slug, row.pk):
        answer = person.get(page)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert answer["Content-Security-Policy"] == POLICY
        assert b"<script" not in answer.content
