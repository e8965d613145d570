"""What goes by mail: a new password, a new address, no way round a second factor."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from pages.accounts.backend import owners_of
from tests.factories.accounts import (
    PASSWORD,
    code,
    give_second_factor,
    make_operator,
    make_person,
    sign_in,
)
from tests.pages.accounts.browser import (
    CODE,
    LOGIN,
    give_code,
    give_password,
    is_refused,
    leads_to,
)

pytestmark = pytest.mark.usefixtures("operator_db")

ADDRESS, FRESH = "person@example.com", "a fresh long password"


def link_of(message: mail.EmailMessage) -> str:
    """Return the path of the one link in a mail."""
    found = re.findall(r"https?://[^/\s]+(/\S+)", str(message.body))
    assert len(found) == 1
    return str(found[0])


def reset_password(browser: Client, address: str) -> None:
    """Ask for a new password, follow the mail and set it."""
    browser.post("/accounts/password/reset/", {"email": address})
    followed = browser.get(link_of(mail.outbox[-1]))
    values = {"password1": FRESH, "password2": FRESH}
    assert browser.post(followed["Location"], values).status_code == 302


def test_a_forgotten_password_is_replaced_by_mail_once() -> None:
    make_person("person", email=ADDRESS)
    elsewhere = Client()
    give_password(elsewhere, "person")
    reset_password(Client(), ADDRESS)
    assert leads_to(give_password(Client(), "person", FRESH), "/console/")
    assert give_password(Client(), "person", PASSWORD).status_code == 200
    assert is_refused(elsewhere, "/console/")
    again = Client().get(link_of(mail.outbox[0]), follow=True)
    assert b'name="password1"' not in again.content


@pytest.mark.parametrize("error", [ValueError, IndexError, ConnectionError])
def test_a_mail_that_cannot_be_written_or_sent_changes_no_answer(
    error: type[Exception],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> int:
        raise error(f"no mail to {ADDRESS}")

    make_person("person", email=ADDRESS)
    monkeypatch.setattr(EmailBackend, "send_messages", refuse)

    answers = [
        Client().post("/accounts/password/reset/", {"email": email})
        for email in (ADDRESS, "nobody@example.com")
    ]

    assert [each.status_code for each in answers] == [302, 302]
    said = [each.getMessage() for each in caplog.records]
    told = [each for each in said if "mail_not_sent" in each]
    assert told
    assert not any(ADDRESS in each for each in told)


def test_a_mail_is_no_way_round_the_second_factor() -> None:
    operator = make_operator(email=ADDRESS)
    give_second_factor(operator)
    browser = Client()
    reset_password(browser, ADDRESS)
    assert is_refused(browser, "/admin/", "/console/")
    assert leads_to(give_password(browser, "operator", FRESH), CODE)
    assert is_refused(browser, "/admin/", "/console/")
    assert leads_to(give_code(browser, code()), "/admin/")


def test_an_address_changes_once_the_new_one_is_confirmed() -> None:
    user = make_person("person", email=ADDRESS)
    EmailAddress.objects.create(user=user, email=ADDRESS, verified=True, primary=True)
    browser = Client()
    give_password(browser, "person")
    browser.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
    assert mail.outbox[-1].to == ["new@example.com"]
    user.refresh_from_db()
    assert user.email == ADDRESS
    browser.post(link_of(mail.outbox[-1]))
    user.refresh_from_db()
    assert user.email == "new@example.com"


def test_an_address_that_was_not_confirmed_is_nobodys() -> None:
    taker, owner = make_person("taker"), make_person("owner", email=ADDRESS)
    browser = Client()
    give_password(browser, taker.username)
    for act in ("action_add", "action_primary"):
        browser.post("/accounts/email/", {"email": ADDRESS, act: ""})
    taker.refresh_from_db()
    assert taker.email == ""
    assert EmailAddress.objects.get(user=taker).primary is False
    assert owners_of(ADDRESS.upper()) == [owner]
    assert leads_to(give_password(Client(), ADDRESS), "/console/")


def test_an_operator_changes_no_address_of_its_own() -> None:
    operator = make_operator(email=ADDRESS)
    browser = sign_in(Client(), operator)
    mail.outbox.clear()
    values = {"email": "new@example.com", "action_add": ""}
    assert browser.post("/accounts/email/", values).status_code == 403
    assert browser.get("/accounts/email/").status_code == 403
    assert not EmailAddress.objects.filter(email="new@example.com").exists()
    assert not mail.outbox


def test_mail_that_cannot_be_sent_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_person("person", email=ADDRESS)

    def no_mail(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", no_mail)
    asked = Client().post("/accounts/password/reset/", {"email": ADDRESS})
    assert leads_to(asked, "/accounts/password/reset/done/")
    assert LOGIN in Client().get(asked["Location"]).content.decode()
