"""A form that is sent twice makes one thing, whatever its first answer showed."""

import datetime as dt
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from kit import sent_once
from kit.orm.audited import take_turn
from kit.orm.roles import as_operator, as_tenant
from metering.alerts.models import Endpoint
from tenants.models import (
    ApiKey,
    Invitation,
    ManagementToken,
    Member,
    Project,
    StoredAnswer,
)
from tests.admin.forms import fields_of
from tests.concurrency import wait_until_blocked
from tests.factories.accounts import sign_in
from tests.factories.tenants import default_project, make_member, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

# What shows each a secret, what it is filled in with, and what it makes.
SECRETS: dict[str, tuple[str, Callable[[Member], dict[str, Any]], type[Any]]] = {
    "key": (
        "keys/new/",
        lambda member: {
            "name": "deploy",
            "project": default_project(member.tenant).pk,
            "whose": "own",
            "lasts": "30",
            "scopes": ["generate", "models"],
        },
        ApiKey,
    ),
    "token": (
        "tokens/new/",
        lambda _: {"name": "deploy", "scopes": ["usage:read"], "days": "30"},
        ManagementToken,
    ),
    "endpoint": (
        "notifications/webhooks/new/",
        lambda _: {"name": "bot", "url": "https://hooks.example.com/", "events": []},
        Endpoint,
    ),
}
LEADING: dict[str, tuple[str, Callable[[Member], dict[str, Any]], type[Any]]] = {
    "invitation": (
        "members/invite/",
        lambda _: {"email": "new@example.com", "role": "viewer"},
        Invitation,
    ),
    "project": (
        "projects/new/",
        lambda _: {"name": "Research", "slug": "research"},
        Project,
    ),
}
SHOWN = re.compile(r"(?:tgt_|tg_|sk-|whsec_)[0-9A-Za-z+/=_-]{20,}")


def opened(
    person: Client, at: str, member: Member, fill: Callable[[Member], dict[str, Any]]
) -> dict[str, Any]:
    """Open a form and return what a browser sends of it, filled in."""
    page = person.get(at)
    assert page.status_code == 200
    return {**fields_of(page), **fill(member)}


def at(member: Member, rest: str) -> str:
    """Return the address of a page of a member's tenant."""
    return f"/console/{member.tenant.slug}/{rest}"


def count(model: type[Any]) -> int:
    """Count the rows of all tenants."""
    with as_operator():
        return int(model.objects.count())


@pytest.mark.parametrize("name", SECRETS)
def test_what_shows_a_secret_shows_it_once_and_says_so_when_sent_again(
    name: str,
) -> None:
    rest, fill, model = SECRETS[name]
    member = make_member(role="owner")
    person, before = sign_in(Client(), member.user), count(model)
    form = opened(person, at(member, rest), member, fill)
    first = person.post(at(member, rest), form)
    (secret,) = set(SHOWN.findall(first.content.decode()))
    again = person.post(at(member, rest), form)
    said = again.content.decode()
    assert (first.status_code, again.status_code) == (201, 409)
    assert count(model) == before + 1
    assert "This form was sent already" in said
    assert f'href="{first["Location"]}"' in said
    assert person.get(first["Location"]).status_code == 200
    assert secret not in said
    with as_operator():
        (row,) = StoredAnswer.objects.all()
    assert secret.encode() not in bytes(row.sealed)


@pytest.mark.parametrize("name", SECRETS)
def test_two_tabs_make_two(name: str) -> None:
    rest, fill, model = SECRETS[name]
    member = make_member(role="owner")
    person, before = sign_in(Client(), member.user), count(model)
    tabs = [opened(person, at(member, rest), member, fill) for _ in range(2)]
    for number, form in enumerate(tabs):
        sent = {**form, "name": f"of tab {number}"}
        assert person.post(at(member, rest), sent).status_code == 201
    assert count(model) == before + 2


def test_a_secret_of_an_endpoint_is_rotated_once() -> None:
    member = make_member(role="owner")
    person = sign_in(Client(), member.user)
    rest, fill, _ = SECRETS["endpoint"]
    made = person.post(at(member, rest), fill(member))
    address = f"{made['Location']}rotate/"
    form = opened(person, address, member, lambda _: {})
    assert person.post(address, form).status_code == 201
    with as_operator():
        sealed = bytes(Endpoint.objects.get().sealed_secret)
    assert person.post(address, form).status_code == 409
    with as_operator():
        assert bytes(Endpoint.objects.get().sealed_secret) == sealed


@pytest.mark.parametrize("name", LEADING)
def test_what_leads_elsewhere_leads_there_again(name: str) -> None:
    rest, fill, model = LEADING[name]
    member = make_member(role="owner")
    person, before = sign_in(Client(), member.user), count(model)
    form = opened(person, at(member, rest), member, fill)
    answers = [person.post(at(member, rest), form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert len({answer["Location"] for answer in answers}) == 1
    assert count(model) == before + 1


def test_a_form_that_was_refused_may_be_sent_again_as_it_is() -> None:
    member = make_member(role="owner")
    person = sign_in(Client(), member.user)
    rest, fill, _ = SECRETS["token"]
    form = opened(person, at(member, rest), member, fill)
    assert person.post(at(member, rest), {**form, "name": ""}).status_code == 400
    assert person.post(at(member, rest), form).status_code == 201


@pytest.mark.parametrize("name", SECRETS)
def test_of_two_clicks_at_once_one_makes_it(name: str) -> None:
    rest, fill, model = SECRETS[name]
    member = make_member(role="owner")
    person, before = sign_in(Client(), member.user), count(model)
    form = opened(person, at(member, rest), member, fill)

    def click() -> int:
        other = Client()
        other.cookies = person.cookies
        try:
            return other.post(at(member, rest), form).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as clicks:
        with as_tenant(member.tenant_id):
            # Both have been let in when the first may begin.
            take_turn(member.tenant_id)
            answers = [clicks.submit(click) for _ in range(2)]
            wait_until_blocked(2)
        assert sorted(each.result() for each in answers) == [201, 409]
    assert count(model) == before + 1


def test_a_form_that_is_too_old_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member(role="owner")
    person = sign_in(Client(), member.user)
    rest, fill, model = SECRETS["token"]
    form = opened(person, at(member, rest), member, fill)
    monkeypatch.setattr(sent_once, "LIFE", dt.timedelta(seconds=-1))
    answer = person.post(at(member, rest), form)
    assert answer.status_code == 400
    assert "more than 12 hours ago" in answer.content.decode()
    assert count(model) == 0


@pytest.mark.parametrize("is_forged", [False, True], ids=["signed in anew", "forged"])
def test_a_form_of_another_session_does_nothing(is_forged: bool) -> None:
    member = make_member(role="owner")
    person = sign_in(Client(), member.user)
    rest, fill, model = SECRETS["token"]
    form = opened(person, at(member, rest), member, fill)
    if is_forged:
        form[sent_once.FIELD] = "made up"
    else:
        person = sign_in(Client(), member.user)
    assert person.post(at(member, rest), form).status_code == 400
    assert count(model) == 0


def test_forms_of_two_tenants_do_not_meet() -> None:
    """The same form, sent to another tenant's page, is that page's."""
    member = make_member(role="owner")
    with as_operator():
        other = Member.objects.create(
            tenant=make_tenant(), user=member.user, email=member.email, role="owner"
        )
    person = sign_in(Client(), member.user)
    rest, fill, model = SECRETS["token"]
    form = opened(person, at(member, rest), member, fill)
    assert person.post(at(member, rest), form).status_code == 201
    assert person.post(at(other, rest), form).status_code == 201
    assert count(model) == 2
