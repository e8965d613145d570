"""The mail of an invitation: what stands in it, and that it goes out once it can."""

import datetime as dt
import logging
import re
import smtplib
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from celery import current_app
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from pytest_django.fixtures import Settings

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from tenants import invitation_links as links
from tenants import services
from tenants.mail import invitation_message, plain
from tenants.models import Invitation, Member, Role, Tenant
from tenants.services import invitation_mail
from tests.concurrency import as_another_operator
from tests.factories.members import acting_for
from tests.factories.tenants import make_member, make_tenant

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ADA = "ada@example.com"


@pytest.fixture(autouse=True)
def mail_is_set(settings: Settings) -> None:
    """Let mails go to Django's outbox."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com/"


def invite(tenant: Tenant, *, email: str = ADA, role: str = Role.ADMIN) -> Invitation:
    """Invite somebody."""
    return services.invite(tenant=tenant, email=email, role=role, now=NOW)


def send(now: dt.datetime = NOW) -> int:
    """Run the scan."""
    return services.send_due_invitations(now=now)


def parts(message: Any) -> tuple[str, str]:
    """Return a mail's text and its HTML."""
    return str(message.body), str(message.alternatives[0][0])


def test_the_mail_says_who_what_until_when_and_holds_one_link(
    operator_db: None,
) -> None:
    tenant = make_tenant(name="Acme <Ltd> & Sons")
    owner = make_member(tenant=tenant)
    Member.objects.filter(pk=owner.pk).update(name="Ada & Co")
    with acting_for(owner):
        row = invite(tenant)
    assert send() == 1
    (message,) = mail.outbox
    assert message.to == [ADA]
    assert message.subject == "Invitation to Acme <Ltd> & Sons on gate.example.com"
    text, html = parts(message)
    link = f"https://gate.example.com/accounts/invitation/{links.text_of(row.nonce)}/"
    assert re.findall(r"https?://\S+", text) == [link]
    assert re.findall(r'https?://[^"\s<]+', html) == [link]
    for said in ("admin", "27 November 2026, 12:00", "works once"):
        assert said in text
        assert said in html
    assert "“Ada & Co” invites you to join “Acme <Ltd> & Sons”" in text
    assert "Acme &lt;Ltd&gt; &amp; Sons" in html
    assert services.open_invitation(text=links.text_of(row.nonce), now=NOW) == row
    row.refresh_from_db()
    assert row.sent_at == NOW


def test_an_operators_invitation_names_no_person(operator_db: None) -> None:
    message = invitation_message(invite(make_tenant()))
    assert message.body.startswith("You are invited to join")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme\r\nBcc: eve@example.com", "Acme Bcc: eve@example.com"),
        ("Acme\u2028Ltd\x00 \u202egro.live", "Acme Ltd gro.live"),
        ("Win! https://evil.example", "Win! evil.example"),
        ("see WWW.evil.example", "see evil.example"),
        ("A" * 300, "A" * 79 + "…"),
        ("Jürgen & Søn", "Jürgen & Søn"),
    ],
)
def test_a_name_is_one_short_line(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_a_name_writes_no_header(operator_db: None) -> None:
    tenant = make_tenant(name="Acme\r\nBcc: eve@example.com\r\n\r\nHello")
    owner = make_member(tenant=tenant)
    Member.objects.filter(pk=owner.pk).update(name="Ada\nTo: eve@example.com")
    with acting_for(owner):
        invite(tenant)
    assert send() == 1
    written = mail.outbox[0].message()
    assert "Bcc" not in written
    assert written.get_all("To") == [ADA]
    assert "\n" not in str(written["Subject"])
    assert mail.outbox[0].recipients() == [ADA]


def test_each_mail_goes_once_and_a_resent_one_with_another_link(
    operator_db: None,
) -> None:
    row = invite(make_tenant())
    assert [send(), send(), send(NOW + MINUTE)] == [1, 0, 0]
    services.resend_invitation(invitation=row, now=NOW + MINUTE)
    assert send(NOW + MINUTE) == 1
    first, second = (parts(message)[0] for message in mail.outbox)
    assert links.text_of(row.nonce) in first
    assert links.text_of(row.nonce) not in second


def test_what_is_not_open_is_not_sent(operator_db: None) -> None:
    tenant = make_tenant()
    services.revoke_invitation(invitation=invite(tenant), now=NOW)
    invite(tenant, email="b@example.com")
    assert send(NOW + dt.timedelta(days=7)) == 0
    assert mail.outbox == []


def test_a_mail_that_fails_is_tried_again_later_and_the_others_go(
    operator_db: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenant = make_tenant()
    row = invite(tenant)
    invite(tenant, email="b@example.com")
    deliver = EmailBackend.send_messages

    def refuse_ada(self: EmailBackend, messages: Any) -> Any:
        if messages[0].to == [ADA]:
            raise smtplib.SMTPRecipientsRefused({ADA: (550, b"ada@example.com?")})
        return deliver(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_ada)
    caplog.set_level(logging.INFO)
    assert send() == 1
    assert [message.to for message in mail.outbox] == [["b@example.com"]]
    assert "SMTPRecipientsRefused" in caplog.text
    assert ADA not in caplog.text
    row.refresh_from_db()
    assert (row.send_failures, row.sent_at) == (1, None)
    assert row.send_after == NOW + MINUTE
    assert send(NOW + MINUTE / 2) == 0
    assert send(NOW + MINUTE) == 0
    row.refresh_from_db()
    assert (row.send_failures, row.send_after) == (2, NOW + 3 * MINUTE)
    monkeypatch.setattr(EmailBackend, "send_messages", deliver)
    assert send(NOW + 3 * MINUTE) == 1


def test_without_a_mail_server_invitations_wait(
    operator_db: None, settings: Settings
) -> None:
    settings.EMAIL_IS_SET = False
    row = invite(make_tenant())
    assert send() == 0
    row.refresh_from_db()
    assert row.sent_at is None
    settings.EMAIL_IS_SET = True
    assert send() == 1


def test_a_mail_that_another_worker_is_sending_is_passed_by(
    fresh_database: object,
) -> None:
    with as_operator():
        tenant = make_tenant()
        invite(tenant)
        invite(tenant, email="b@example.com")
    sent: list[int] = []
    other = Thread(
        target=lambda: as_another_operator(lambda: sent.append(send())), daemon=True
    )
    with as_operator(), atomic():
        Invitation.objects.select_for_update().get(email=ADA)
        other.start()
        other.join(30)
    assert sent == [1]
    assert [message.to for message in mail.outbox] == [["b@example.com"]]


def test_the_worker_is_asked_after_the_commit_and_a_lost_broker_undoes_nothing(
    fresh_database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def lost(name: str, **_: Any) -> None:
        with as_operator():
            asked.append(Invitation.objects.count())
        raise OSError("the broker is away")

    monkeypatch.setattr(current_app, "send_task", lost)
    with as_operator():
        tenant = make_tenant()
        with atomic():
            invite(tenant)
            assert asked == []
        assert asked == [1]
        assert Invitation.objects.count() == 1


def test_the_task_sends_as_the_operator(fresh_database: object) -> None:
    from tenants.tasks import send_invitations  # noqa: PLC0415

    assert send_invitations.name == invitation_mail.TASK
    with as_operator():
        invitation = services.invite(
            tenant=make_tenant(), email=ADA, role="owner", now=dt.datetime.now(dt.UTC)
        )
    send_invitations()
    assert [message.to for message in mail.outbox] == [[ADA]]
    with as_operator():
        assert Invitation.objects.get(pk=invitation.pk).sent_at is not None


def test_mails_are_written_into_a_folder(
    operator_db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    row = invite(make_tenant())
    assert send() == 1
    (file,) = tmp_path.iterdir()
    assert links.text_of(row.nonce) in file.read_text().replace("=\n", "")
