"""The playground's page and the key that it is given."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kit.orm.roles import as_operator
from pages.access import LIVE_POLICY
from pages.console.playground.views import AT_ONCE, LIVES, NAME
from tenants import services
from tenants.models import ApiKey, Member, Project, ProjectMember
from tests.factories.accounts import sign_in
from tests.factories.control import make_model
from tests.factories.pricing import make_book, make_price
from tests.factories.tenants import make_member, make_project

pytestmark = pytest.mark.usefixtures("fresh_database")


def at(member: Member, rest: str = "") -> str:
    """Return the playground's address."""
    return f"/console/{member.tenant.slug}/playground/{rest}"


def default_project(member: Member) -> Project:
    """Return the project that a tenant begins with."""
    with as_operator():
        return Project.objects.get(tenant=member.tenant, slug="default")


def issued(member: Member, project: Project, person: Client | None = None) -> Any:
    """Return the answer to asking for a key."""
    person = person or sign_in(Client(), member.user)
    return person.post(at(member, "key/"), {"project": f"{project.pk}"})


def keys(member: Member) -> list[ApiKey]:
    """Return a member's keys, oldest first."""
    with as_operator():
        return list(ApiKey.objects.filter(member=member).order_by("pk"))


def test_it_offers_models_that_chat_and_have_a_price() -> None:
    member = make_member()
    book = make_book(is_default=True)
    make_model(name="demo-model", context_tokens=4096, max_output_tokens=1024)
    make_model(name="unpriced")
    make_price(book=book)

    answer = sign_in(Client(), member.user).get(at(member))
    page = answer.content.decode()

    assert (answer.status_code, answer["Content-Security-Policy"]) == (200, LIVE_POLICY)
    assert 'data-context="4096" data-longest="1024" data-input="3000000"' in page
    assert 'data-cached="300000" data-output="15000000"' in page
    assert "unpriced" not in page
    assert 'type="module" src="/static/pages/playground.js"' in page


def test_without_a_model_it_says_what_is_missing() -> None:
    member = make_member()
    page = sign_in(Client(), member.user).get(at(member)).content.decode()
    assert "No model can be tried yet" in page
    assert "playground.js" not in page


def test_a_key_is_the_members_own_and_lives_for_an_hour() -> None:
    member = make_member(role="developer")
    project = default_project(member)
    with as_operator():
        ProjectMember.objects.create(
            tenant=member.tenant, member=member, project=project
        )
    answer = issued(member, project)
    (row,) = keys(member)

    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert (row.name, row.project_id, row.scopes) == (NAME, project.pk, ["generate"])
    assert row.expires_at
    assert timedelta_of(row) <= LIVES + dt.timedelta(minutes=1)
    assert answer.json()["shown"] == row.shown
    assert answer.json()["key"].startswith(row.shown[:6])


def timedelta_of(row: ApiKey) -> dt.timedelta:
    """Return how long a key lives."""
    assert row.expires_at
    return row.expires_at - row.created_at


def test_pages_that_are_open_keep_theirs_and_the_oldest_ends() -> None:
    member = make_member()
    colleague = make_member(tenant=member.tenant)
    project = default_project(member)
    with as_operator():
        named = services.issue_key(
            tenant=member.tenant, project=project, name=NAME, member=member
        ).row
        lasting = services.issue_key(
            tenant=member.tenant,
            project=project,
            name=NAME,
            member=member,
            expires_at=timezone.now() + dt.timedelta(days=1),
        ).row
    assert issued(colleague, project).status_code == 201
    for _ in range(AT_ONCE):
        assert issued(member, project).status_code == 201
    assert all(row.revoked_at is None for row in keys(member))
    assert issued(member, project).status_code == 201

    own = {row.pk: row.revoked_at for row in keys(member)}
    assert own[named.pk] is None
    assert own[lasting.pk] is None
    assert [at is None for at in own.values()] == [True, True, False, *[True] * AT_ONCE]
    assert [row.revoked_at for row in keys(colleague)] == [None]


@pytest.mark.parametrize("project", ["", "x", "9" * 40, "999999", "1.5"])
def test_a_project_that_makes_no_sense_is_refused(project: str) -> None:
    member = make_member()
    person = sign_in(Client(), member.user)
    answer = person.post(at(member, "key/"), {"project": project})
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["message"]
    assert keys(member) == []


def test_a_project_of_others_is_not_there() -> None:
    member, elsewhere = make_member(), make_member()
    assert issued(member, default_project(elsewhere)).status_code == 404
    developer = make_member(tenant=member.tenant, role="developer")
    assert issued(developer, make_project(tenant=member.tenant)).status_code == 404
    assert keys(member) == keys(developer) == []


@pytest.mark.parametrize("role", ["billing", "viewer"])
def test_who_may_issue_no_key_has_no_playground(role: str) -> None:
    member = make_member(role=role)
    person = sign_in(Client(), member.user)
    assert person.get(at(member)).status_code == 403
    assert issued(member, default_project(member), person).status_code == 403
    assert keys(member) == []


def test_a_suspended_tenant_tries_nothing() -> None:
    member = make_member()
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    person = sign_in(Client(), member.user)
    assert person.get(at(member)).status_code == 403
    assert issued(member, default_project(member), person).status_code == 403


def test_a_key_is_asked_for_by_post_from_the_page() -> None:
    member = make_member()
    person = sign_in(Client(enforce_csrf_checks=True), member.user)
    assert person.get(at(member, "key/")).status_code == 405
    assert issued(member, default_project(member), person).status_code == 403
    assert keys(member) == []
