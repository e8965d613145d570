"""What holds for every page of a tenant, whichever part of the console it is of.

A page that lands is found by its address; nothing has to be added here.
"""

import re
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver, reverse

from kit.orm.roles import APP, as_operator
from pages.access import LIVE_POLICY, POLICY
from pages.console.sections import GROUPS
from tenants import services
from tenants.models import Member, Role
from tests.factories.accounts import make_operator, make_person, sign_in
from tests.factories.tenants import make_member

pytestmark = pytest.mark.usefixtures("fresh_database")

QUERIES_MAX = 80
SECTIONS = [section.name for group in GROUPS for section in group.sections]


def routes() -> list[str]:
    """Return the names of the pages whose address is a tenant's and no row's."""
    (console,) = (
        each
        for each in get_resolver().url_patterns
        if isinstance(each, URLResolver) and each.namespace == "console"
    )
    return sorted({f"console:{name}" for name in _named(console, {})})


def _named(of: URLResolver, outer: dict[str, object]) -> Iterator[str]:
    for each in of.url_patterns:
        given = {**outer, **each.pattern.converters}
        if isinstance(each, URLResolver):
            yield from _named(each, given)
        elif set(given) == {"tenant"}:
            yield str(each.name)


def addresses(member: Member) -> list[str]:
    """Return the addresses of all of these pages of a member's tenant."""
    return [reverse(name, args=(member.tenant.slug,)) for name in routes()]


def shown(person: Client, member: Member) -> list[str]:
    """Return the addresses that the navigation offers."""
    page = person.get(reverse("console:tenant", args=(member.tenant.slug,)))
    content = page.content.decode()
    wanted = [reverse(name, args=(member.tenant.slug,)) for name in SECTIONS]
    return [each for each in wanted if f'<li><a href="{each}"' in content]


def _follow(person: Client, content: str, followed: set[str]) -> None:
    """Open what a page links to in the console, each address once."""
    for link in re.findall(r'<a [^>]*href="(/console/[^"?#]*)', content):
        if link not in followed:
            followed.add(link)
            assert person.get(link).status_code == 200, link


def test_there_are_pages() -> None:
    assert set(SECTIONS) <= set(routes())
    assert len(SECTIONS) > 3


def test_a_stranger_finds_none_of_them_and_nobody_is_sent_to_sign_in() -> None:
    member = make_member()
    stranger, nobody = sign_in(Client(), make_person()), Client()
    for page in addresses(member):
        assert stranger.get(page).status_code in {404, 405}, page
        assert stranger.post(page).status_code in {404, 405}, page
        answer = nobody.get(page)
        assert answer.status_code in {302, 405}, page
        assert answer.get("Location", "/accounts/login/").startswith("/accounts/login/")


@pytest.mark.parametrize("role", Role.values)
def test_no_role_meets_a_dead_link_or_an_error(role: str) -> None:
    member = make_member(role=role)
    person = sign_in(Client(), member.user)
    offered, followed = shown(person, member), set[str]()
    for page in addresses(member):
        with CaptureQueriesContext(connections[APP]) as made:
            answer = person.get(page)
        expected = {200} if page in offered else {200, 302, 400, 403, 404, 405}
        assert answer.status_code in expected, page
        assert len(made) < QUERIES_MAX, page
        if answer.status_code == 200:
            _follow(person, answer.content.decode(), followed)
        if answer.status_code in {200, 403, 404}:
            assert answer["Content-Security-Policy"] in {POLICY, LIVE_POLICY}, page
            assert answer["Cache-Control"] == "no-store", page


def test_of_a_suspended_tenant_all_that_is_offered_can_be_read() -> None:
    member = make_member()
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    person = sign_in(Client(), member.user)
    for page in shown(person, member):
        assert person.get(page).status_code == 200, page


def test_who_only_looks_reads_all_that_is_offered_and_writes_nothing() -> None:
    member = make_member()
    person = sign_in(Client(), make_operator())
    person.post(f"/admin/tenants/{member.tenant_id}/look/")
    offered, followed = shown(person, member), set[str]()
    assert len(offered) > 3
    for page in offered:
        answer = person.get(page)
        assert answer.status_code == 200, page
        content = answer.content.decode()
        _follow(person, content, followed)
        # What is offered to be sent is nothing of the tenant's.
        sent = re.findall(r'<form[^>]*method="post"[^>]*>', content)
        assert all(
            re.search(r'action="/(admin|accounts|appearance)', each) for each in sent
        ), (page, sent)
    for page in addresses(member):
        assert person.post(page).status_code in {403, 405}, page
