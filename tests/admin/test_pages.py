"""Every page of the admin answers, with as many queries for few rows as for many."""

import datetime as dt
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from kit.orm.roles import OPERATOR, as_operator
from pages.accounts import middleware
from tests.admin import signed_in
from tests.admin.pages import Page, every_page
from tests.databases import cloned
from tests.factories.scale import Scale, seed

# Of both sizes a page of a list and a part of a row's page are full.
SMALL = Scale(tenants=60, projects=120, keys=600, members=180, entries=600, days=2)
LARGE = Scale(tenants=180, projects=360, keys=1800, members=540, entries=1800, days=2)
QUERIES_MAX = 26


@pytest.mark.timeout(600)
def test_queries_do_not_grow_with_the_rows(
    postgres_server: str,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # That a session was seen is noted once a minute: a query of any page it meets.
    monkeypatch.setattr(middleware, "SEEN_STEP", dt.timedelta(days=1))
    with django_db_blocker.unblock():
        few = counted(postgres_server, SMALL)
        many = counted(postgres_server, LARGE)
    assert len(few) > 100
    refused = {name for name, (status, _) in many.items() if status != HTTPStatus.OK}
    assert refused == set()
    # What a process reads once, of content types, the first pages pay for.
    growing = {name: many[name] for name in few if few[name][1] < many[name][1]}
    assert growing == {}
    costly = {name: made for name, (_, made) in many.items() if made > QUERIES_MAX}
    assert costly == {}


def counted(server: str, scale: Scale) -> dict[str, tuple[int, int]]:
    """Return the status and the number of queries of each page at a size."""
    with cloned(server) as database, as_operator():
        seed(database.url_for("owner"), scale)
        client = signed_in()
        asked: Any = RequestFactory().get("/admin/")
        asked.user = User.objects.get(is_superuser=True)
        found = list(every_page(asked, brief=True))
        # What is read once in a process is no cost of a page.
        client.get(found[0].address)
        return {each.name: _counted(client, each) for each in found}


def _counted(client: Client, page: Page) -> tuple[int, int]:
    with CaptureQueriesContext(connections[OPERATOR]) as made:
        response = client.get(page.address)
    return response.status_code, len(made)


@pytest.mark.usefixtures("operator_db")
def test_the_page_of_a_new_row_shows_only_what_is_to_be_written() -> None:
    client = signed_in()
    asked: Any = RequestFactory().get("/admin/")
    asked.user = User.objects.get(is_superuser=True)
    adding = [each for each in every_page(asked) if each.name.endswith(" add")]
    assert len(adding) > 10
    for each in adding:
        # A default of the database's is an object of Django's until the row is there.
        assert b"DatabaseDefault" not in client.get(each.address).content, each.name
