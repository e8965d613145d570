"""Who a tenant is on its bills and where they go, as its members set it."""

import datetime as dt
import re

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from kit.errors import InvalidRequest
from kit.orm.roles import as_operator
from metering.billing.models import BillingProfile
from pages.console.billing import details
from tenants.mails import addresses, sending
from tenants.models import BillingAddress, Member
from tests.factories.accounts import sign_in
from tests.factories.tenants import make_member
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")

PROFILE = {
    "legal_name": "Acme GmbH",
    "address": "Street 1\nBerlin",
    "country": "DE",
    "region": "",
    "tax_id": "DE123",
    "po_number": "",
}
BOOKS = {"email": "books@acme.example"}


def billing(role: str = "billing") -> tuple[Client, Member, str]:
    """Return a member's browser, the member, and the page's address."""
    member = make_member(role=role)
    page = f"/console/{member.tenant.slug}/billing/details/"
    return sign_in(Client(), member.user), member, page


def test_an_address_is_named_asked_and_confirmed_without_signing_in(
    settings: Settings,
) -> None:
    settings.EMAIL_IS_SET = True
    browser, _, page = billing()

    shown = browser.post(f"{page}addresses/", BOOKS, follow=True)
    assert "no answer yet" in text(shown.content)
    now = dt.datetime.now(dt.UTC)
    with as_operator():
        addresses.ask_for_answers(now=now)
        sending.send_waiting(now=now)
    (link,) = re.findall(r"/accounts/billing-address/\S+", str(mail.outbox[0].body))

    asked = Client().get(link)
    assert "Shall invoices" in text(asked.content)
    with as_operator():
        assert BillingAddress.objects.get().confirmed_at is None
    assert "come to books@acme.example from now on" in text(Client().post(link).content)
    assert "confirmed" in text(browser.get(page).content)

    with as_operator():
        row = BillingAddress.objects.get()
    browser.post(f"{page}addresses/{row.pk}/remove/")
    assert Client().get(link).status_code == 404
    assert "no answer yet" not in text(browser.get(page).content)


def test_whoever_is_asked_may_say_no_for_good(settings: Settings) -> None:
    settings.EMAIL_IS_SET = True
    browser, _, page = billing()
    browser.post(f"{page}addresses/", BOOKS)
    now = dt.datetime.now(dt.UTC)
    with as_operator():
        addresses.ask_for_answers(now=now)
        sending.send_waiting(now=now)
    (link,) = re.findall(r"/accounts/billing-address/\S+", str(mail.outbox[0].body))

    said = Client().post(link, {"answer": "no"})

    assert "nobody is asked there again" in text(said.content)
    assert Client().get(link).status_code == 404
    answer = browser.post(f"{page}addresses/", BOOKS)
    assert answer.status_code == 400
    assert "declined" in text(answer.content)


def test_the_profile_is_kept_and_a_wrong_one_refused() -> None:
    browser, member, page = billing()

    assert browser.post(page, PROFILE).status_code == 302
    wrong = browser.post(page, PROFILE | {"country": "Germany"})

    assert wrong.status_code == 400
    with as_operator():
        row = BillingProfile.objects.get(tenant=member.tenant)
    assert (row.legal_name, row.country) == ("Acme GmbH", "DE")
    assert 'value="Acme GmbH"' in browser.get(page).content.decode()


@pytest.mark.parametrize("param", ["tax_id", "other", None])
def test_what_the_service_refuses_is_said_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, param: str | None
) -> None:
    def refuse(**_: object) -> None:
        raise InvalidRequest("It is refused.", param=param)

    browser, _, page = billing()
    monkeypatch.setattr(details, "set_billing_profile", refuse)

    answer = browser.post(page, PROFILE)

    assert answer.status_code == 400
    assert "It is refused." in text(answer.content)
    assert 'value="Acme GmbH"' in answer.content.decode()


@pytest.mark.parametrize("rest", ["", "addresses/"])
def test_an_admin_reads_and_changes_nothing(rest: str) -> None:
    browser, _, page = billing("admin")

    assert browser.get(page).status_code == 200
    assert browser.post(f"{page}{rest}", PROFILE | BOOKS).status_code == 403
    with as_operator():
        assert not BillingAddress.objects.exists()
        assert not BillingProfile.objects.exists()


def test_an_address_of_another_tenant_is_not_there() -> None:
    browser, _, page = billing()
    browser.post(f"{page}addresses/", BOOKS)
    with as_operator():
        row = BillingAddress.objects.get()
    other, _, theirs = billing()

    for verb in ("ask", "remove"):
        answer = other.post(f"{theirs}addresses/{row.pk}/{verb}/")
        assert answer.status_code == 404


def test_a_wrong_address_is_said_beside_its_field() -> None:
    browser, _, page = billing()
    browser.post(f"{page}addresses/", BOOKS)

    answer = browser.post(f"{page}addresses/", BOOKS)

    assert answer.status_code == 400
    assert "there already" in text(answer.content)
