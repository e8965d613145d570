"""A mail whose sending breaks off: nobody is forgotten, nobody gets it twice."""

import datetime as dt
import smtplib
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from pytest_django.fixtures import Settings

from tenants.audit import forgetting
from tenants.mails import handing, sending
from tenants.mails.handing import messages_of
from tenants.mails.letter import Letter
from tenants.mails.sending import Composed
from tenants.models import Mail
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
KIND = Mail.Kind.INVOICE
A, B, C = "a@x.example", "b@x.example", "c@x.example"
LETTER = Letter(subject="5.00 EUR", headline="5.00 EUR", paragraphs=("Thank you.",))


class KilledError(BaseException):
    """What ends a process, in place of a signal."""


@pytest.fixture
def readers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Provide the readers of each mail, to be changed."""
    settings.EMAIL_IS_SET = True
    found = [A, B]
    composers = {KIND.value: lambda _: Composed(LETTER, tuple(found))}
    monkeypatch.setattr(sending, "_composers", composers)
    return found


@pytest.fixture
def row(readers: list[str]) -> Mail:
    """Provide a mail that waits."""
    told = [(make_tenant().pk, 7, 0)]
    assert sending.tell_by_mail(kind=KIND, told=told, now=NOW) == 1
    return Mail.objects.get()


@pytest.fixture
def against(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    """Provide what the mail server does at whose mail, to be changed."""
    found: dict[str, BaseException] = {}
    sent = EmailBackend.send_messages

    def send(backend: Any, messages: Any) -> Any:
        (message,) = messages
        if message.to[0] in found:
            raise found[message.to[0]]
        return sent(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send)
    return found


def sent_to() -> list[str]:
    """Return whom mails went to, in order."""
    return [each.to[0] for each in mail.outbox]


def test_whom_a_killed_attempt_reached_is_not_written_to_again(
    row: Mail, against: dict[str, BaseException]
) -> None:
    against[B] = KilledError()
    with pytest.raises(KilledError):
        sending.send_waiting(now=NOW)
    row.refresh_from_db()
    assert (row.addresses, row.refused, row.state) == ([A], [B], "waiting")

    against.clear()
    assert sending.send_waiting(now=NOW + DAY) == 1
    row.refresh_from_db()
    assert (sent_to(), row.addresses) == ([A, B], [A, B])


def test_one_whose_attempts_all_break_off_is_given_up(
    row: Mail, against: dict[str, BaseException]
) -> None:
    against[B] = KilledError()
    now = NOW
    for _ in sending.RETRY_AFTER:
        with pytest.raises(KilledError):
            sending.send_waiting(now=now)
        now += DAY

    assert sending.send_waiting(now=now) == 0
    row.refresh_from_db()
    assert (row.state, row.due_at) == ("failed", None)
    assert row.problem == "the last attempt broke off"
    assert sent_to() == [A]

    against.clear()
    sending.send_again(mail=row, now=now)
    assert sending.send_waiting(now=now) == 1
    assert sent_to() == [A, B]


def test_an_error_nobody_thought_of_is_that_mails_own(
    row: Mail, against: dict[str, BaseException]
) -> None:
    against[A] = TypeError("a header of another kind")
    assert sending.send_waiting(now=NOW) == 0
    row.refresh_from_db()
    assert (row.addresses, row.refused) == ([B], [A])
    assert row.problem == "UnwritableMailError"


def test_sent_again_it_goes_to_those_alone_whom_it_did_not_reach(
    row: Mail, against: dict[str, BaseException]
) -> None:
    against[A] = smtplib.SMTPRecipientsRefused({A: (550, b"nobody")})
    for days in range(len(sending.RETRY_AFTER)):
        sending.send_waiting(now=NOW + days * DAY)
    row.refresh_from_db()
    assert row.state == "failed"
    against.clear()

    again = sending.send_again(mail=row, now=NOW + 9 * DAY)
    assert sending.send_waiting(now=NOW + 9 * DAY) == 1

    again.refresh_from_db()
    assert (sent_to(), again.addresses) == ([B, A], [B, A])


def test_that_somebody_else_is_forgotten_writes_to_nobody_twice(
    row: Mail, readers: list[str], against: dict[str, BaseException]
) -> None:
    against[B] = smtplib.SMTPRecipientsRefused({B: (550, b"nobody")})
    sending.send_waiting(now=NOW)
    forgetting.forget_person(email=B, now=NOW)
    readers.remove(B)
    readers.append(C)
    assert sending.send_waiting(now=NOW + DAY) == 1
    assert sent_to() == [A, C]


@pytest.mark.parametrize(("gone", "noted"), [((A, B), []), ((B,), [A])])
def test_who_is_forgotten_while_a_mail_goes_is_noted_nowhere(
    row: Mail,
    readers: list[str],
    against: dict[str, BaseException],
    monkeypatch: pytest.MonkeyPatch,
    gone: tuple[str, ...],
    noted: list[str],
) -> None:
    against[B] = smtplib.SMTPRecipientsRefused({B: (550, b"nobody")})
    handed_in = handing.hand_in

    def hand_in(*args: Any, note: Any) -> Any:
        def forget(address: str) -> None:
            for each in gone:
                forgetting.forget_person(email=each, now=NOW)
            note(address)

        return handed_in(*args, note=forget)

    monkeypatch.setattr(sending, "hand_in", hand_in)
    sending.send_waiting(now=NOW)
    row.refresh_from_db()
    assert sent_to() == [A]
    assert (row.addresses, row.refused, row.state) == (noted, [], "waiting")

    # Whoever was reached and is a reader still is not written to again.
    monkeypatch.setattr(sending, "hand_in", handed_in)
    readers[:] = [*noted, C]
    sending.send_waiting(now=NOW + DAY)
    assert sent_to() == [A, C]


def test_sent_again_what_went_goes_to_all(row: Mail) -> None:
    sending.send_waiting(now=NOW)
    row.refresh_from_db()
    sending.send_again(mail=row, now=NOW)
    assert sending.send_waiting(now=NOW) == 1
    assert sent_to() == [A, B, A, B]


def test_one_whose_last_reader_is_gone_says_that_it_went(
    row: Mail, readers: list[str], against: dict[str, BaseException]
) -> None:
    against[B] = smtplib.SMTPRecipientsRefused({B: (550, b"nobody")})
    sending.send_waiting(now=NOW)
    readers.clear()
    sending.send_waiting(now=NOW + DAY)
    row.refresh_from_db()
    assert (row.state, row.addresses) == ("sent", [A])
    assert row.sent_at == NOW + DAY


def test_of_another_outbox_too_each_is_noted_as_he_is_reached(
    row: Mail, against: dict[str, BaseException]
) -> None:
    def send(to: list[str]) -> None:
        before, left = sending.divided(kind=Mail.Kind.DUNNING, subject_id=3, readers=to)
        sending.send_noted(
            messages_of(LETTER, readers=left, reference="x"),
            kind=Mail.Kind.DUNNING,
            subject_id=3,
            tenant_id=row.tenant_id,
            now=NOW,
            before=before,
        )

    against[B] = KilledError()
    with pytest.raises(KilledError):
        send([A, B])
    noted = Mail.objects.get(kind=Mail.Kind.DUNNING)
    assert (noted.addresses, noted.state) == ([A], "waiting")
    # It is not this outbox's to send.
    assert noted.due_at is None

    # Who is left is no reader any more.
    send([A])
    noted.refresh_from_db()
    assert (noted.addresses, noted.state, noted.sent_at) == ([A], "sent", NOW)
    assert sent_to() == [A]
