"""Sessions end: by age, unused, from elsewhere, and with a new password."""

import datetime as dt
import re
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from axes.models import AccessLog
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from pages.accounts.forgetting import forget_sign_ins
from pages.accounts.middleware import BEGAN, SEEN
from tests.factories.accounts import PASSWORD, make_operator, make_person, sign_in
from tests.pages.accounts.browser import give_password, is_refused, leads_to, opens

pytestmark = pytest.mark.usefixtures("operator_db")


def age(client: Client, name: str, by: dt.timedelta) -> None:
    """Make an instant that a session remembers so much older."""
    session = client.session
    session[name] -= by.total_seconds()
    session.save()


@pytest.mark.parametrize(
    ("name", "ends_after"),
    [(BEGAN, dt.timedelta(hours=12)), (SEEN, dt.timedelta(minutes=30))],
)
@pytest.mark.parametrize("page", ["/admin/", "/finance/", "/console/"])
def test_a_session_ends_by_age_and_unused(
    name: str, ends_after: dt.timedelta, page: str
) -> None:
    browser = sign_in(Client(), make_operator())
    age(browser, name, ends_after - dt.timedelta(seconds=30))
    assert opens(browser, page)
    age(browser, name, ends_after)
    assert is_refused(browser, page)
    assert "_auth_user_id" not in browser.session


def test_use_keeps_a_session_from_ending_unused() -> None:
    browser = sign_in(Client(), make_operator())
    for _ in range(4):
        age(browser, SEEN, dt.timedelta(minutes=20))
        assert opens(browser, "/admin/")


def test_a_session_that_says_nothing_has_ended() -> None:
    browser = sign_in(Client(), make_person())
    session = browser.session
    del session[BEGAN]
    session.save()
    assert is_refused(browser, "/console/")


def test_the_cookie_is_new_with_each_sign_in_and_kept_from_scripts() -> None:
    make_person("person")
    browser = Client()
    browser.get("/accounts/login/")
    give_password(browser, "person")
    first = browser.cookies["sessionid"]
    assert (first["httponly"], first["samesite"]) == (True, "Lax")
    known = first.value
    browser.post("/accounts/logout/")
    give_password(browser, "person")
    assert browser.cookies["sessionid"].value not in {"", known}


def test_a_person_sees_and_ends_own_sessions_and_no_others() -> None:
    make_person("person")
    make_person("other")
    here, there, stranger = Client(), Client(), Client()
    for browser, name in ((here, "person"), (there, "person"), (stranger, "other")):
        give_password(browser, name)
    page = here.get("/accounts/sessions/").content.decode()
    listed = [int(found) for found in re.findall(r"/sessions/(\d+)/end/", page)]
    elsewhere = UserSession.objects.get(session_key=there.session.session_key)
    assert listed == [elsewhere.pk]

    assert stranger.post(f"/accounts/sessions/{elsewhere.pk}/end/").status_code == 404
    assert opens(there, "/console/")
    here.post(f"/accounts/sessions/{elsewhere.pk}/end/")
    assert is_refused(there, "/console/")
    assert opens(here, "/console/")


def test_all_other_sessions_end_at_once() -> None:
    make_person("person")
    browsers = [Client() for _ in range(3)]
    for browser in browsers:
        give_password(browser, "person")
    browsers[0].post("/accounts/sessions/")
    assert opens(browsers[0], "/console/")
    assert is_refused(browsers[1], "/console/")
    assert is_refused(browsers[2], "/console/")


def test_a_new_password_ends_all_other_sessions() -> None:
    make_person("person")
    here, there = Client(), Client()
    for browser in (here, there):
        give_password(browser, "person")
    fresh = "another long password"
    values = {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh}
    answer = here.post("/accounts/password/change/", values)
    assert answer.status_code == 302
    assert opens(here, "/console/")
    assert is_refused(there, "/console/")
    assert leads_to(give_password(Client(), "person", fresh), "/console/")


def test_addresses_and_ended_sessions_are_forgotten() -> None:
    make_person("person")
    browser = Client()
    give_password(browser, "person")
    now = timezone.now()
    cache.set("old", 1, timeout=1)
    assert forget_sign_ins(now=now) == 0
    assert AccessLog.objects.count() == 1
    forget_sign_ins(now=now + dt.timedelta(days=31))
    left: tuple[Any, ...] = (AccessLog, Session, UserSession)
    assert [model.objects.count() for model in left] == [0, 0, 0]
    assert is_refused(browser, "/console/")
