"""The outbox of mail: once, again after a failure, and by hand once more."""

import datetime as dt
import smtplib
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from pytest_django.fixtures import Settings

from kit.errors import Conflict
from tenants.mails import sending
from tenants.mails.handing import messages_of
from tenants.mails.letter import Action, Attached, Letter, message_of
from tenants.mails.sending import Composed
from tenants.models import Mail
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
KIND = Mail.Kind.DUNNING
LETTER = Letter(
    subject="Acme & Co: 5.00 EUR\r\nBcc: eve@evil.example",
    headline="5.00 EUR <received>",
    paragraphs=("Thank you.",),
    facts=(("Amount", "5.00 EUR"),),
    action=Action("Open", "https://gate.example.com/x/"),
    small=("Nothing else.",),
)


@pytest.fixture(autouse=True)
def composed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let mails go to Django's outbox; provide what is composed of a kind."""
    settings.EMAIL_IS_SET = True
    found: dict[str, Any] = {"answer": Composed(LETTER, ("a@x.example", "b@x.example"))}
    composers = {KIND.value: lambda _: found["answer"]}
    monkeypatch.setattr(sending, "_composers", composers)
    return found


def waiting(now: dt.datetime = NOW) -> Mail:
    """Let a mail wait."""
    told = [(make_tenant().pk, 7, 0)]
    assert sending.tell_by_mail(kind=KIND, told=told, now=now) == 1
    assert sending.tell_by_mail(kind=KIND, told=told, now=now) == 0
    return Mail.objects.get()


def test_a_letter_is_text_and_html_with_one_link_and_no_other_header() -> None:
    file = Attached("T-1.pdf", b"%PDF-")
    letter = Letter(
        subject=LETTER.subject,
        headline=LETTER.headline,
        facts=LETTER.facts,
        action=LETTER.action,
        attached=(file,),
    )
    message = message_of(letter, to=["a@x.example"], reference="x-1")

    written = message.message()
    assert "Bcc" not in written
    assert "\n" not in str(written["Subject"])
    text, html = str(message.body), str(message.alternatives[0][0])
    for said in ("Amount", "5.00 EUR", "https://gate.example.com/x/"):
        assert said in text
        assert said in html
    assert "5.00 EUR &lt;received&gt;" in html
    assert html.count("http") == 1
    assert "<script" not in html
    assert "<img" not in html
    assert message.attachments[0] == ("T-1.pdf", b"%PDF-", "application/pdf")


def test_a_mail_goes_once_and_says_to_whom() -> None:
    row = waiting()

    assert [sending.send_waiting(now=NOW), sending.send_waiting(now=NOW)] == [1, 0]

    row.refresh_from_db()
    assert (row.state, row.sent_at) == ("sent", NOW)
    assert row.addresses == ["a@x.example", "b@x.example"]
    assert len(mail.outbox) == 2


def test_each_reader_has_one_of_his_own_and_sees_no_other() -> None:
    waiting()
    sending.send_waiting(now=NOW)
    assert [each.to for each in mail.outbox] == [["a@x.example"], ["b@x.example"]]
    for message, other in zip(mail.outbox, ("b@x.example", "a@x.example"), strict=True):
        assert other not in message.message().as_string()
    assert len({each.extra_headers["Message-ID"] for each in mail.outbox}) == 2


def test_whoever_is_refused_is_noted_and_tried_again_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, sent, now = waiting(), EmailBackend.send_messages, NOW
    nobody = {"a@x.example"}

    def refuse_one(backend: Any, messages: Any) -> Any:
        (message,) = messages
        if nobody.intersection(message.to):
            raise smtplib.SMTPRecipientsRefused({"a@x.example": (550, b"nobody")})
        return sent(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_one)
    for _ in sending.RETRY_AFTER:
        assert sending.send_waiting(now=now) == 0
        row.refresh_from_db()
        assert (row.addresses, row.refused) == (["b@x.example"], ["a@x.example"])
        now += dt.timedelta(days=1)

    assert (row.state, row.problem) == ("failed", "SMTPRecipientsRefused")
    assert [each.to for each in mail.outbox] == [["b@x.example"]]
    nobody.clear()
    Mail.objects.update(state="waiting", due_at=now, attempts=0)
    assert sending.send_waiting(now=now) == 1
    row.refresh_from_db()
    assert (row.state, row.refused) == ("sent", [])
    assert mail.outbox[-1].to == ["a@x.example"]


def test_a_run_that_takes_long_claims_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    row = waiting()
    monkeypatch.setattr(sending, "RUN_S_MAX", 0.0)
    assert sending.send_waiting(now=NOW) == 0
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)


def test_whom_an_older_version_tried_in_vain_is_not_taken_for_reached() -> None:
    row = waiting()
    tried = ["a@x.example", "b@x.example"]
    Mail.objects.update(addresses=tried, problem="TimeoutError", attempts=1)

    assert sending.divided(kind=KIND, subject_id=7, readers=tried) == ([], tried)
    assert sending.send_waiting(now=NOW) == 1
    row.refresh_from_db()
    assert (row.state, row.addresses) == ("sent", tried)
    assert [each.to for each in mail.outbox] == [[each] for each in tried]


def test_a_server_that_goes_away_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    row = waiting()
    asked = []

    def go(_: Any, messages: Any) -> int:
        asked.append(messages)
        raise TimeoutError

    monkeypatch.setattr(EmailBackend, "send_messages", go)
    assert sending.send_waiting(now=NOW) == 0
    row.refresh_from_db()
    assert (row.addresses, row.problem) == ([], "TimeoutError")
    assert row.refused == ["b@x.example", "a@x.example"]
    assert len(asked) == 1
    sending.send_waiting(now=NOW + dt.timedelta(days=1))
    assert [each.to for [each] in asked] == [["a@x.example"], ["b@x.example"]]


def test_what_fails_is_tried_again_with_the_same_id_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: set[str] = set()
    row, now = waiting(), NOW

    def refuse(_: Any, messages: Any) -> int:
        seen.update(each.extra_headers["Message-ID"] for each in messages)
        raise smtplib.SMTPServerDisconnected

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    assert sending.send_waiting(now=now) == 0
    assert sending.send_waiting(now=now) == 0
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 1)
    for _ in sending.RETRY_AFTER:
        now += dt.timedelta(days=1)
        sending.send_waiting(now=now)
    row.refresh_from_db()
    assert (row.state, row.problem) == ("failed", "SMTPServerDisconnected")
    # One of each reader.
    assert len(seen) == 2


def test_one_that_cannot_be_written_holds_up_no_other(
    composed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, tenant = waiting(), make_tenant()
    sending.tell_by_mail(kind=KIND, told=[(tenant.pk, 8, 0)], now=NOW)
    good, bad = composed["answer"], Composed(LETTER, ("a\n@x.example",))
    monkeypatch.setattr(
        sending,
        "_composers",
        {KIND.value: lambda mail: bad if mail.pk == row.pk else good},
    )

    assert sending.send_waiting(now=NOW) == 1

    row.refresh_from_db()
    assert (row.state, row.problem, row.attempts) == (
        "waiting",
        "UnwritableMailError",
        1,
    )


def test_one_that_cannot_be_written_is_not_noted_as_sent() -> None:
    messages = messages_of(LETTER, readers=["a\n@x.example"], reference="x-1")
    with pytest.raises(smtplib.SMTPException):
        sending.send_noted(
            messages, kind=Mail.Kind.ALERT, subject_id=1, tenant_id=None, now=NOW
        )
    row = Mail.objects.get()
    assert (row.state, row.sent_at) == ("failed", None)


def test_one_whose_turn_has_not_come_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second worker does not find it due again while the first is slow."""
    row, tenant = waiting(), make_tenant()
    sending.tell_by_mail(kind=KIND, told=[(tenant.pk, 8, 0)], now=NOW)
    later, sent = NOW + dt.timedelta(hours=1), EmailBackend.send_messages
    inner: list[int] = []

    def slow(backend: Any, messages: Any) -> Any:
        if not inner:
            inner.append(0)
            Mail.objects.filter(pk=row.pk).update(due_at=later + dt.timedelta(hours=1))
            inner[0] = sending.send_waiting(now=later)
        return sent(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", slow)
    assert sending.send_waiting(now=NOW) == 1
    assert inner == [1]
    assert len(mail.outbox) == 4


def test_nobody_to_read_it_is_said(composed: dict[str, Any]) -> None:
    composed["answer"] = None
    row = waiting()

    assert sending.send_waiting(now=NOW) == 0

    row.refresh_from_db()
    assert row.state == "no_reader"


def test_without_a_mail_server_they_wait(settings: Settings) -> None:
    settings.EMAIL_IS_SET = False
    row = waiting()
    assert sending.send_waiting(now=NOW) == 0
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)


def test_one_is_sent_again_by_hand_under_another_id() -> None:
    row = waiting()
    with pytest.raises(Conflict):
        sending.send_again(mail=row, now=NOW)
    sending.send_waiting(now=NOW)

    again = sending.send_again(mail=row, now=NOW)
    assert sending.send_waiting(now=NOW) == 1

    assert again.number == 1
    ids = {each.extra_headers["Message-ID"] for each in mail.outbox}
    assert len(ids) == 4


def test_an_invitation_is_sent_again_where_it_was_made() -> None:
    row = waiting()
    Mail.objects.update(kind=Mail.Kind.INVITATION, state="sent")
    row.refresh_from_db()
    with pytest.raises(Conflict, match="link of its own"):
        sending.send_again(mail=row, now=NOW)


def test_what_went_long_ago_is_forgotten() -> None:
    row = waiting()
    sending.send_waiting(now=NOW)
    Mail.objects.filter(pk=row.pk).update(created_at=NOW - dt.timedelta(days=401))
    assert sending.forget_mails(now=NOW) == 1
