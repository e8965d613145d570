"""Every page says what it may load; a form that is refused says what to do."""

from typing import cast

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.http import Http404
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject

from config import error_pages
from config.middleware import ADMIN_POLICY
from kit.drf.problems import REQUEST_ID
from pages.access import POLICY
from tests.factories.accounts import PASSWORD, make_operator, make_person, sign_in

pytestmark = pytest.mark.usefixtures("operator_db")

HEADER = "Content-Security-Policy"
NAMED = "01a206ff-a2a0-7f40-923b-2d2a270a2ffb"


@pytest.mark.parametrize(
    "address", ["/", "/nothing", "/console/nowhere/", "/finance/x/"]
)
def test_a_page_that_says_nothing_has_our_policy(address: str) -> None:
    assert Client().get(address).headers[HEADER] == POLICY


def test_the_admin_loads_and_sends_nothing_elsewhere() -> None:
    browser = sign_in(Client(), make_operator())
    for address in ("/admin/", "/admin/nowhere/", "/admin/tenants/tenant/add/"):
        assert browser.get(address).headers[HEADER] == ADMIN_POLICY
    assert "http" not in ADMIN_POLICY
    assert "*" not in ADMIN_POLICY


def test_a_page_keeps_what_it_says_itself() -> None:
    assert "connect-src 'self'" in Client().get("/api/v1/docs/").headers[HEADER]
    assert "data:" in Client().get("/accounts/login/").headers[HEADER]


def test_data_is_no_page() -> None:
    assert HEADER not in Client().get("/api/v1/tenants/").headers


@pytest.mark.parametrize("address", ["/accounts/login/", "/admin/tenants/tenant/add/"])
def test_a_form_from_elsewhere_is_refused_in_words(address: str) -> None:
    make_person()
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post(address, {"login": "person", "password": PASSWORD})
    assert answer.status_code == 403
    assert b"open its page again" in answer.content
    assert b"<style" not in answer.content


def test_an_address_that_leads_nowhere_is_told_in_our_own_words() -> None:
    answer = Client().get("/nothing")

    assert answer.status_code == 404
    assert "There is no page at this address." in answer.content.decode()
    assert b"Go to your start page" in answer.content


def test_an_error_page_does_not_ask_who_reads_it(rf: RequestFactory) -> None:
    def asked() -> AnonymousUser:
        raise OperationalError("permission denied for table django_session")

    request = rf.get("/nothing")
    request.user = cast("AnonymousUser", SimpleLazyObject(asked))

    answer = error_pages.not_found(request, Http404())

    assert answer.status_code == 404
    assert b"There is no page at this address." in answer.content


def test_what_broke_is_told_with_the_name_of_its_request(rf: RequestFactory) -> None:
    request = rf.get("/finance/", headers={REQUEST_ID: NAMED})

    answer = error_pages.server_error(request)

    assert answer.status_code == 500
    assert f"name the request {NAMED} to whoever runs this" in answer.content.decode()


def test_where_our_page_breaks_too_there_is_a_plain_one(
    rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OperationalError("a password stands in here")

    monkeypatch.setattr(error_pages, "refusal", broken)

    answer = error_pages.server_error(rf.get("/finance/"))

    assert answer.status_code == 500
    assert b"Server Error" in answer.content
    assert b"password" not in answer.content
