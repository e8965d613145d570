"""Billing addresses over the API: asked, asked again, removed, and whose they are."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from kit.orm.roles import as_operator
from kit.scopes import Scope
from tenants.mails import addresses, sending
from tenants.models import BillingAddress
from tests.api.callers import Callers
from tests.factories.tenants import make_tenant

URL = "/api/v1/billing-addresses/"
BOOKS = "books@acme.example"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def caller(fresh_database: object) -> Callers:
    """Provide a maker of clients by role."""
    return Callers()


@pytest.fixture(autouse=True)
def mail_is_set(settings: Settings) -> None:
    """Let mails go to Django's outbox."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com/"


def send(client: Client, path: str = "", **body: Any) -> Any:
    """Post to an address of theirs."""
    return client.post(f"{URL}{path}", body, content_type="application/json")


def named(client: Client, email: str = BOOKS) -> int:
    """Name an address; return its id."""
    answer = send(client, email=email)
    assert answer.status_code == 201, answer.content
    return int(answer.json()["id"])


def earlier(row_id: int) -> None:
    """Let an address have been asked an hour ago."""
    with as_operator():
        row = BillingAddress.objects.get(pk=row_id)
        BillingAddress.objects.filter(pk=row_id).update(asked_at=row.asked_at - HOUR)


def test_a_mail_asks_and_bills_go_there_once_it_was_answered(caller: Callers) -> None:
    tenant = make_tenant()
    owner = caller(role="owner", tenant=tenant)
    row_id = named(owner, "Books@ACME.example")
    shown = owner.get(f"{URL}{row_id}/").json()
    assert (shown["state"], shown["asked"], shown["tenant"]) == (
        "waiting",
        1,
        tenant.pk,
    )

    with as_operator():
        row = BillingAddress.objects.get(pk=row_id)
        addresses.ask_for_answers(now=row.asked_at)
        sending.send_waiting(now=row.asked_at)
        assert [message.to for message in mail.outbox] == [[row.email]]
        # Nothing of the API has the link.
        assert addresses.link_text(row) not in str(shown)
        addresses.confirm(text=addresses.link_text(row), now=row.asked_at)

    assert owner.get(f"{URL}{row_id}/").json()["state"] == "confirmed"
    (found,) = owner.get(f"{URL}?confirmed=true&removed=false").json()["data"]
    assert found["id"] == row_id
    refused = send(owner, f"{row_id}/resend/")
    assert refused.status_code == 409


def test_it_is_asked_again_after_a_while_and_not_for_ever(caller: Callers) -> None:
    owner = caller(role="owner")
    row_id = named(owner)

    assert send(owner, f"{row_id}/resend/").status_code == 429
    for asked in (2, 3):
        earlier(row_id)
        assert send(owner, f"{row_id}/resend/").json()["asked"] == asked
    earlier(row_id)
    refused = send(owner, f"{row_id}/resend/")

    assert refused.status_code == 429
    assert "3 mails have asked" in refused.json()["error"]["message"]
    assert owner.get(f"{URL}{row_id}/").json()["asked"] == 3


def test_what_was_removed_stays_removed(caller: Callers) -> None:
    owner = caller(role="owner")
    row_id = named(owner)

    first = send(owner, f"{row_id}/remove/").json()
    again = send(owner, f"{row_id}/remove/").json()

    assert (first["state"], first["removed_at"]) == ("removed", again["removed_at"])
    assert send(owner, f"{row_id}/resend/").status_code == 409
    assert owner.get(f"{URL}?removed=false").json()["data"] == []
    assert len(owner.get(f"{URL}?email={BOOKS.upper()}").json()["data"]) == 1


def test_an_address_that_is_none_is_refused_in_words(caller: Callers) -> None:
    owner = caller(role="owner")
    named(owner)
    for email, status in (("nobody", 400), ("a" * 300, 400), ("", 400), (BOOKS, 409)):
        answer = send(owner, email=email)
        assert (answer.status_code, answer.json()["error"]["param"]) == (
            status,
            "email",
        )
    assert len(owner.get(URL).json()["data"]) == 1


def test_whose_they_are_and_who_may(caller: Callers) -> None:
    tenant = make_tenant()
    row_id = named(caller(role="billing", tenant=tenant))
    other = caller(role="owner")
    reader = caller(tenant=tenant, scopes={Scope.BILLING_READ})
    operator = caller()

    assert other.get(f"{URL}{row_id}/").status_code == 404
    assert send(other, f"{row_id}/remove/").status_code == 404
    assert other.get(URL).json()["data"] == []
    assert send(reader, email="more@acme.example").status_code == 403
    assert send(reader, f"{row_id}/remove/").status_code == 403
    assert caller(role="developer", tenant=tenant).get(URL).status_code == 403
    nobody = send(operator, email="more@acme.example")
    assert (nobody.status_code, nobody.json()["error"]["param"]) == (400, "tenant")
    named_by_operator = send(operator, email="more@acme.example", tenant=tenant.pk)
    assert named_by_operator.status_code == 201
    assert len(reader.get(URL).json()["data"]) == 2
