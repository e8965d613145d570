"""Operators open nothing without a second factor, and a code opens one session."""

import re
import time
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client

from config.local.code import code_at
from pages.accounts import factors
from tests.factories.accounts import (
    PASSWORD,
    SECRET,
    code,
    give_second_factor,
    make_operator,
    make_person,
    sign_in,
)
from tests.pages.accounts.browser import (
    AGAIN,
    CODE,
    LOGIN,
    SET_UP,
    give_code,
    give_password,
    is_refused,
    leads_to,
    opens,
)

pytestmark = pytest.mark.usefixtures("operator_db")

OPERATORS = ("/admin/", "/finance/", "/admin/tenants/tenant/")
MEMBERS = ("/console/", "/accounts/2fa/", "/accounts/sessions/")


def set_up(client: Client) -> str:
    """Set up an app as the page says, and return its secret."""
    page = client.get(SET_UP).content.decode()
    found = re.search(r'id="authenticator_secret">([A-Z2-7]+)<', page)
    assert found is not None
    secret = found[1]
    answer = give_code(client, code_at(secret, time.time()), SET_UP)
    assert leads_to(answer, "/accounts/2fa/recovery-codes/")
    return secret


def test_an_operator_is_led_from_the_password_to_the_set_up_and_in() -> None:
    operator = make_operator()
    browser = Client()
    assert leads_to(browser.get("/admin/"), "/admin/login/")
    assert leads_to(browser.get("/admin/login/?next=/admin/"), LOGIN)

    assert leads_to(give_password(browser, operator.username), "/admin/")
    assert leads_to(browser.get("/admin/"), SET_UP)
    assert is_refused(browser, *OPERATORS, *MEMBERS)
    secret = set_up(browser)
    assert opens(browser, *OPERATORS, *MEMBERS, "/accounts/2fa/recovery-codes/")

    browser.post("/accounts/logout/")
    assert is_refused(browser, *OPERATORS)
    assert leads_to(give_password(browser, operator.username), CODE)
    assert is_refused(browser, *OPERATORS, *MEMBERS)
    assert give_code(browser, "000000").status_code == 200
    assert is_refused(browser, *OPERATORS, *MEMBERS)
    later = code_at(secret, time.time() + 30)
    assert leads_to(give_code(browser, later), "/admin/")
    assert opens(browser, *OPERATORS)


def test_staff_whose_session_showed_no_factor_opens_nothing() -> None:
    operator = make_operator()
    browser = Client()
    browser.force_login(operator)
    assert is_refused(browser, *OPERATORS, *MEMBERS, "/accounts/password/change/")
    # Where there is a factor, it is asked for; there is no second one to set up.
    give_second_factor(operator)
    assert leads_to(browser.get("/finance/"), AGAIN)
    assert not opens(browser, SET_UP)
    assert leads_to(give_code(browser, code(), f"{AGAIN}?next=/finance/"), "/finance/")
    assert opens(browser, *OPERATORS)


@pytest.mark.parametrize(
    "page",
    [
        "/accounts/2fa/",
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/recovery-codes/download/",
        "/accounts/2fa/recovery-codes/generate/",
        "/accounts/2fa/totp/deactivate/",
        SET_UP,
    ],
)
def test_who_has_not_shown_a_factor_neither_sees_nor_removes_it(page: str) -> None:
    operator = make_operator()
    browser = Client()
    # The password was given just now: nothing would ask for it again.
    give_password(browser, operator.username)
    give_second_factor(operator)
    assert leads_to(browser.get(page), AGAIN)
    assert leads_to(browser.post(page), AGAIN)
    assert Authenticator.objects.filter(user=operator).count() == 2


@pytest.mark.parametrize("make", [make_operator, make_person])
def test_setting_up_a_factor_ends_sessions_of_the_password_alone(
    make: Callable[[], User],
) -> None:
    person = make()
    earlier, browser = Client(), Client()
    give_password(earlier, person.username)
    give_password(browser, person.username)
    set_up(browser)
    assert leads_to(earlier.get("/accounts/2fa/recovery-codes/"), LOGIN)
    assert opens(browser, "/accounts/2fa/recovery-codes/")


@pytest.mark.parametrize("page", [SET_UP, CODE])
def test_a_used_code_opens_no_second_session(page: str) -> None:
    operator = make_operator()
    first, second = Client(), Client()
    if page == SET_UP:
        give_password(first, operator.username)
        used = code_at(set_up(first), time.time())
    else:
        give_second_factor(operator)
        used = code()
        give_password(first, operator.username)
        assert leads_to(give_code(first, used), "/admin/")
    give_password(second, operator.username)
    assert give_code(second, used).status_code == 200
    assert is_refused(second, *OPERATORS)


def test_a_recovery_code_opens_once() -> None:
    operator = make_operator()
    give_second_factor(operator)
    row = Authenticator.objects.get(user=operator, type="recovery_codes")
    spare = row.wrap().get_unused_codes()[0]
    for expected in (302, 200):
        browser = Client()
        give_password(browser, operator.username)
        assert give_code(browser, spare).status_code == expected


def test_removing_the_factor_closes_what_it_had_opened() -> None:
    operator = make_operator()
    browser = sign_in(Client(), operator)
    assert opens(browser, "/admin/")
    assert factors.reset(user=operator) == 2
    assert leads_to(browser.get("/admin/"), SET_UP)


def test_changing_factors_asks_for_the_password_or_a_code_again() -> None:
    browser = sign_in(Client(), make_operator())
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 3600
    session.save()
    deactivate = "/accounts/2fa/totp/deactivate/"
    assert not opens(browser, deactivate)
    assert browser.post(deactivate).status_code == 302
    assert Authenticator.objects.count() == 2
    again = {"password": PASSWORD}
    # What was asked for is then done.
    browser.post(f"/accounts/reauthenticate/?next={deactivate}", again)
    assert not Authenticator.objects.exists()
    assert leads_to(browser.get("/admin/"), SET_UP)


def test_a_member_signs_in_without_and_never_gets_to_operators() -> None:
    person = make_person()
    browser = Client()
    assert leads_to(give_password(browser, person.username), "/console/")
    assert opens(browser, *MEMBERS)
    for page in OPERATORS:
        assert browser.get(page, follow=True).status_code == 403, page


def test_secrets_are_sealed_at_rest() -> None:
    operator = make_operator()
    give_second_factor(operator)
    kept = str(list(Authenticator.objects.values("data")))
    assert SECRET not in kept
    assert factors.secret_of(operator) == SECRET
    assert factors.secret_of(User(pk=0)) == ""


def test_optional_lets_operators_in_by_password(settings: object) -> None:
    settings.SECOND_FACTOR_REQUIRED = False  # type: ignore[attr-defined]
    browser = Client()
    give_password(browser, make_operator().username)
    assert opens(browser, *OPERATORS)
