"""The mails of alerts: what stands in them, to whom they go, and who is forgotten."""

import datetime as dt
import re
import smtplib
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import resolve
from pytest_django.fixtures import Settings

from kit.json_values import JsonObject
from kit.orm.roles import as_operator
from metering.alerts import mails
from metering.alerts.models import Delivery, EventType
from metering.alerts.sending import send_mails
from metering.alerts.telling import tell_of_top_up
from metering.alerts.watching import scan
from tenants import services
from tenants.models import Member, Tenant
from tests.factories.accounts import sign_in
from tests.factories.alerts import NOW, make_window, post
from tests.factories.limits import make_budget, make_quota
from tests.factories.tenants import make_member, make_tenant

MINUTE = dt.timedelta(minutes=1)

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.fixture(autouse=True)
def mail_is_set(settings: Settings) -> None:
    """Let mails go to Django's outbox."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com/"


def html_of(message: Any) -> str:
    """Return a mail's HTML."""
    return str(message.alternatives[0][0])


def send(now: dt.datetime = NOW) -> int:
    """Send what is due."""
    with as_operator():
        return send_mails(now=now)


def told(tenant: Tenant, *, posted: int = 900) -> Member:
    """Have a tenant cross 80 % of a quota; return its owner."""
    owner = make_member(tenant=tenant, email="ada@example.com")
    make_quota(1000, tenant=tenant, warn_at=[80])
    make_window(tenant=tenant, posted=posted)
    with as_operator():
        scan(now=NOW)
    return owner


def waiting() -> Delivery:
    """Return the one delivery."""
    with as_operator():
        return Delivery.objects.get()


def test_the_mail_says_which_budget_how_far_and_what_follows() -> None:
    tenant = make_tenant(
        name="Acme <Ltd>\r\nBcc: eve@evil.example", currency="EUR", zone="Asia/Tokyo"
    )
    owner = make_member(tenant=tenant, email="ada@example.com")
    budget = make_budget(2_000 * 10**12, tenant=tenant, warn_at=[80])
    make_window(
        tenant=tenant, kind="budget", unit="", window="month", posted=1_700 * 10**12
    )
    with as_operator():
        scan(now=NOW)
    assert send() == 1
    [message] = mail.outbox
    assert message.to == ["ada@example.com"]
    text, html = str(message.body), html_of(message)
    assert message.subject.startswith("80 % of the budget is used: tenant “Acme <Ltd>")
    assert "\n" not in message.subject
    assert "Bcc" not in message.message()
    assert "Used: 1,700.00 EUR of 2,000.00 EUR\n" in text
    assert "In: a month, until 21 November 2026, 09:00 (Asia/Tokyo)\n" in text
    assert "Once all of it is used, calls that count towards it are refused." in text
    assert "Acme &lt;Ltd&gt;" in html
    console = f"https://gate.example.com/console/{tenant.slug}"
    marked = f"budget-{budget.pk}-tenant-{tenant.pk}"
    assert re.findall(r"https?://[^\s\"<]+", text) == [
        f"{console}/limits/?show={marked}#{marked}",
        f"{console}/notifications/mine/",
    ]
    page = sign_in(Client(), owner.user).get(
        f"/console/{tenant.slug}/limits/", {"show": marked}
    )
    assert f'id="{marked}"' in page.content.decode()


@pytest.mark.parametrize(
    ("posted", "is_hard", "subject", "said"),
    [
        (1000, True, "The quota is spent", "insufficient_quota"),
        (1000, False, "100 % of the quota is used", "It only warns: calls go on."),
    ],
)
def test_what_is_hard_stops_and_what_is_soft_warns(
    posted: int, is_hard: bool, subject: str, said: str
) -> None:
    tenant = make_tenant()
    make_member(tenant=tenant)
    make_quota(1000, tenant=tenant, is_hard=is_hard)
    make_window(tenant=tenant, posted=posted)
    with as_operator():
        scan(now=NOW)
    send()
    [message] = mail.outbox
    assert message.subject.startswith(subject)
    assert said in str(message.body)
    assert "1,000 tokens of 1,000 tokens" in str(message.body)


@pytest.mark.parametrize(
    ("event_type", "data", "leads_to"),
    [
        (
            EventType.ENDPOINT_PAUSED,
            {"endpoint": {"id": 7, "name": "x"}},
            "notifications/webhooks/7/",
        ),
        (
            EventType.TOP_UP_FAILED,
            {
                "tenant": {"name": "Acme"},
                "problem": "",
                "top_up": {"amount": "5.00", "currency": "EUR"},
            },
            "billing/top-up/",
        ),
    ],
)
def test_each_mail_leads_to_what_it_is_about(
    event_type: EventType, data: dict[str, Any], leads_to: str
) -> None:
    tenant = make_tenant()
    letter = mails.letter_of(event_type, data, tenant=tenant)
    assert letter.action is not None
    page = f"/console/{tenant.slug}/{leads_to}"
    assert letter.action.address == f"https://gate.example.com{page}"
    assert resolve(page).namespace == "console"


def test_a_limit_that_an_event_does_not_name_is_among_all() -> None:
    tenant = make_tenant()
    old = {"kind": "budget", "scope": {"level": "tenant", "id": 1}}
    assert mails._leads_to(old, tenant).address.endswith("/limits/")


@pytest.mark.parametrize(
    ("role", "leads_to"), [("billing", "top-up/"), ("admin", "credit/")]
)
def test_mails_of_credit_lead_each_reader_where_that_one_may_go(
    role: str, leads_to: str
) -> None:
    tenant = make_tenant(payment_mode="prepaid")
    reader = make_member(tenant=tenant, email="ada@example.com", role=role)
    data: JsonObject = {
        "top_up": {"amount": "5.00", "currency": "USD"},
        "problem": "declined",
    }
    with as_operator():
        tell_of_top_up(EventType.TOP_UP_FAILED, tenant=tenant, data=data, now=NOW)
    send()

    [message] = mail.outbox
    body = str(message.body)
    (page,) = re.findall(r"https://gate.example.com(\S+/billing/\S+)", body)
    assert page.endswith(f"/billing/{leads_to}")
    assert sign_in(Client(), reader.user).get(page).status_code == 200


def test_what_is_for_ever_and_what_is_credit_do_not_wait_for_a_window() -> None:
    def consequence(**of: Any) -> str:
        data = {"kind": "budget", "is_hard": True, "ends_at": None, **of}
        return mails._consequence(EventType.SPENT, data)

    assert consequence(kind="credit").endswith("until it is topped up.")
    assert consequence().endswith("until it is raised.")
    ends = "2026-11-21T00:00:00Z"
    assert consequence(ends_at=ends).endswith("until it is raised or its window ends.")


def test_each_goes_once_and_that_it_is_resumed_too() -> None:
    tenant = make_tenant()
    make_member(tenant=tenant)
    quota = make_quota(1000, tenant=tenant)
    window = make_window(tenant=tenant, posted=1000)
    with as_operator():
        scan(now=NOW)
    assert [send(), send()] == [1, 0]
    with as_operator():
        services.change_limit(limit=quota, now=NOW, value=2000)
        post(window, 1001)
        scan(now=NOW)
    assert send() == 1
    assert mail.outbox[1].subject.startswith("The quota can be used again")


def test_without_a_mail_server_they_wait(settings: Settings) -> None:
    told(make_tenant())
    settings.EMAIL_IS_SET = False
    assert send() == 0
    assert (waiting().state, waiting().attempts) == ("waiting", 0)


def test_what_the_server_refuses_is_tried_again_and_names_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told(make_tenant())

    def refuse(*_: Any) -> int:
        raise smtplib.SMTPSenderRefused(451, b"<ada@example.com> later", "ada")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    assert send() == 0
    row = waiting()
    assert (row.state, row.last_error) == ("waiting", "SMTPSenderRefused 451")
    monkeypatch.undo()
    assert send(NOW + MINUTE) == 1
    assert waiting().state == "delivered"


def test_both_attempts_have_one_message_id(monkeypatch: pytest.MonkeyPatch) -> None:
    told(make_tenant())
    seen: list[str] = []

    def lose(_: Any, messages: Any) -> int:
        seen.extend(each.extra_headers["Message-ID"] for each in messages)
        raise ConnectionResetError

    monkeypatch.setattr(EmailBackend, "send_messages", lose)
    send()
    monkeypatch.undo()
    send(NOW + MINUTE)
    seen.append(mail.outbox[0].extra_headers["Message-ID"])
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_whoever_has_left_is_not_written_to() -> None:
    tenant = make_tenant()
    make_member(tenant=tenant)
    owner = told(tenant)
    with as_operator():
        services.remove_member(member=owner, now=NOW)
    assert send() == 1
    with as_operator():
        row = Delivery.objects.get(member=owner)
    assert (row.state, row.last_error) == ("dropped", "nobody is there any more")


def test_whoever_wants_none_gets_none_and_the_billing_address_does() -> None:
    tenant = make_tenant(billing_email="bills@example.com")
    silent = make_member(tenant=tenant, email="grace@example.com")
    with as_operator():
        Member.objects.filter(pk=silent.pk).update(mails_off=["limits"])
    told(tenant)
    assert send() == 2
    readers = {each.to[0]: str(each.body) for each in mail.outbox}
    assert set(readers) == {"ada@example.com", "bills@example.com"}
    assert "Choose which mails you get" in readers["ada@example.com"]
    assert "Choose which mails you get" not in readers["bills@example.com"]


def test_no_address_stands_in_any_row_and_forgetting_needs_nothing() -> None:
    tenant = make_tenant(billing_email="bills@example.com")
    owner = told(tenant)
    make_member(tenant=tenant)
    with as_operator():
        rows = Delivery.objects.select_related("event").all()
        kept = repr([(vars(each), vars(each.event)) for each in rows])
        assert owner.email not in kept
        assert "bills@example.com" not in kept
        services.remove_member(member=owner, now=NOW)
        services.forget_person(email=owner.email, now=NOW)
        services.forget_person(email="bills@example.com", now=NOW)
    send()
    assert mail.outbox == []
    with as_operator():
        states = set(Delivery.objects.values_list("state", flat=True))
    assert states == {"dropped"}
