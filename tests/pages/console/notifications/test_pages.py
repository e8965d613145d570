"""Notifications: endpoints are made, tested, replayed and removed; mails are listed."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from kit.orm.roles import as_operator
from metering.alerts.models import Delivery, Endpoint
from metering.alerts.sending import REPLAY_HEADER, send_mails
from pages.console.notifications import tables as laid
from tenants.models import Member
from tests.factories.accounts import sign_in
from tests.factories.alerts import make_endpoint
from tests.factories.tenants import make_member
from tests.metering.alerts.receiving_scene import call, rehearsing
from tests.pages.reading import tables, text
from tests.standins.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Provide a receiver."""
    with receiving() as running:
        yield running


@pytest.fixture
def owner() -> Member:
    """Provide an owner."""
    return make_member(email="ada@example.org")


def page(member: Member, path: str = "") -> str:
    """Return the address of a page."""
    return f"/console/{member.tenant.slug}/notifications/{path}"


def only_endpoint() -> Endpoint:
    with as_operator():
        return Endpoint.objects.get()


def test_an_endpoint_is_made_and_its_secret_shown_once(owner: Member) -> None:
    person = sign_in(Client(), owner.user)
    asked = {"name": "billing", "url": "https://example.org/x", "events": []}
    answer = person.post(page(owner, "webhooks/new/"), asked)
    assert answer.status_code == 201
    (secret,) = re.findall(r"whsec_[\w+/=]+", answer.content.decode())
    row = only_endpoint()
    for path in ("", f"webhooks/{row.pk}/", f"webhooks/{row.pk}/edit/"):
        shown = person.get(page(owner, path))
        assert shown.status_code == 200
        assert secret not in shown.content.decode()
        assert "https://example.org/x" in shown.content.decode()


def test_what_is_refused_is_said_beside_its_field(owner: Member) -> None:
    person = sign_in(Client(), owner.user)
    for url, said in (
        ("http://example.org", "by https alone"),
        ("https://10.0.0.1/", "10.0.0.1"),
    ):
        asked = {"name": "x", "url": url}
        answer = person.post(page(owner, "webhooks/new/"), asked)
        assert answer.status_code == 400
        assert said in text(answer.content)
    with as_operator():
        assert not Endpoint.objects.exists()


def test_it_is_paused_resumed_rotated_and_removed(owner: Member) -> None:
    row = make_endpoint(tenant=owner.tenant).row
    person = sign_in(Client(), owner.user)
    here = page(owner, f"webhooks/{row.pk}/")
    for verb, state in (("pause", "paused"), ("resume", "active")):
        assert person.post(f"{here}{verb}/").status_code == 302
        assert only_endpoint().state == state
    before = bytes(only_endpoint().sealed_secret)
    rotated = person.post(f"{here}rotate/", {"overlap_s": "86400"})
    assert rotated.status_code == 201
    after = only_endpoint()
    assert (
        bytes(after.sealed_secret) != before == bytes(after.sealed_former_secret or b"")
    )
    assert "by the former secret as well until" in text(person.get(here).content)
    person.post(f"{here}test/")
    said = text(person.get(f"{here}remove/").content)
    assert "never called again" in said
    assert "One event that waits for it is dropped." in said
    assert person.post(f"{here}remove/").status_code == 302
    assert only_endpoint().state == "removed"
    assert person.post(f"{here}nonsense/").status_code == 404


def sent(owner: Member, receiver: Receiver) -> tuple[Client, Delivery]:
    """Send an endpoint of the receiver a test; return the delivery."""
    with rehearsing():
        make_endpoint(tenant=owner.tenant, url=receiver.url())
    person = sign_in(Client(), owner.user)
    assert (
        person.post(page(owner, f"webhooks/{only_endpoint().pk}/test/")).status_code
        == 302
    )
    call(now=dt.datetime.now(dt.UTC))
    with as_operator():
        return person, Delivery.objects.get()


def test_a_replay_has_the_same_id_and_bytes_and_is_marked(
    owner: Member, receiver: Receiver
) -> None:
    person, row = sent(owner, receiver)
    here = page(owner, f"webhooks/{row.endpoint_id}/deliveries/{row.pk}/")
    shown = text(person.get(here).content)
    assert "webhook_endpoint.test" in shown
    assert "answered with 204" in shown or "answered with 200" in shown
    assert person.post(here).status_code == 302
    # One at a time.
    assert person.post(here).status_code == 302
    call(now=dt.datetime.now(dt.UTC))
    first, again = receiver.received
    assert again.body == first.body
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert REPLAY_HEADER not in first.headers
    assert again.headers[REPLAY_HEADER] == "true"


def test_a_file_holds_no_more_than_memory_should(
    owner: Member, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, row = sent(owner, receiver)
    there = page(owner, f"webhooks/{row.endpoint_id}/")
    person.post(f"{there}deliveries/{row.pk}/")
    assert person.get(f"{there}?file=deliveries")["X-Row-Count"] == "2"
    first, late = (
        tables(person.get(f"{there}?page={number}").content) for number in (1, 9)
    )
    assert late == first
    monkeypatch.setattr(laid, "FILE_ROWS_MAX", 1)
    cut = person.get(f"{there}?file=deliveries")
    assert cut["X-Row-Count"] == "1"
    assert "-first-1.csv" in cut["Content-Disposition"]
    assert "CSV, first 1 rows" in text(person.get(there).content)


def test_a_replay_that_fails_is_tried_once_and_says_nothing_of_the_endpoint(
    owner: Member, receiver: Receiver
) -> None:
    person, row = sent(owner, receiver)
    receiver.status = 500
    person.post(page(owner, f"webhooks/{row.endpoint_id}/deliveries/{row.pk}/"))
    call(now=dt.datetime.now(dt.UTC))
    with as_operator():
        replay = Delivery.objects.get(is_replay=True)
    assert (replay.state, replay.attempts, replay.last_status) == ("given_up", 1, 500)
    assert replay.last_ms is not None
    assert only_endpoint().failing_since is None
    log = text(person.get(page(owner, f"webhooks/{row.endpoint_id}/")).content)
    assert "replay" in log
    assert "given up" in log


def test_it_says_what_failing_leads_to_while_it_is_called(owner: Member) -> None:
    row = make_endpoint(tenant=owner.tenant).row
    person = sign_in(Client(), owner.user)
    here = page(owner, f"webhooks/{row.pk}/")
    with as_operator():
        Endpoint.objects.update(failing_since=row.created_at)

    assert "After three days it is paused" in text(person.get(here).content)
    person.post(f"{here}remove/")
    assert "After three days" not in text(person.get(here).content)


def test_a_test_mail_goes_to_whoever_asked(owner: Member, settings: Any) -> None:
    settings.EMAIL_IS_SET = True
    make_member(tenant=owner.tenant, email="grace@example.org")
    person = sign_in(Client(), owner.user)
    for _ in range(2):
        assert person.post(page(owner, "test/")).status_code == 302
    with as_operator():
        send_mails(now=dt.datetime.now(dt.UTC))
    assert [each.to for each in mail.outbox] == [["ada@example.org"]]
    assert "Alerts reach you" in mail.outbox[0].subject


def test_who_gets_which_mail_is_said(owner: Member) -> None:
    make_member(tenant=owner.tenant, role="billing", email="bill@example.org")
    make_member(tenant=owner.tenant, role="viewer", email="vera@example.org")
    said = text(sign_in(Client(), owner.user).get(page(owner)).content)
    assert "ada@example.org, bill@example.org" in said
    assert "vera@example.org" not in said


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_others_than_owners_and_admins_see_nothing_of_it(
    owner: Member, role: str
) -> None:
    row = make_endpoint(tenant=owner.tenant).row
    person = sign_in(Client(), make_member(tenant=owner.tenant, role=role).user)
    for path in ("", "webhooks/new/", f"webhooks/{row.pk}/"):
        assert person.get(page(owner, path)).status_code == 403
    assert person.post(page(owner, f"webhooks/{row.pk}/pause/")).status_code == 403


def test_an_endpoint_of_another_tenant_is_not_there(owner: Member) -> None:
    row = make_endpoint(tenant=make_member().tenant).row
    person = sign_in(Client(), owner.user)
    assert person.get(page(owner, f"webhooks/{row.pk}/")).status_code == 404
    assert person.post(page(owner, f"webhooks/{row.pk}/remove/")).status_code == 404
    assert only_endpoint().removed_at is None
