"""Mails over a real socket: whoever is refused costs no other reader a mail."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tenants.mails.handing import hand_in, messages_of
from tenants.mails.letter import Letter
from tests.standins.mail_server import MailServer, serving

LETTER = Letter(subject="Acme: 5.00 EUR", headline="5.00 EUR")
READERS = ("a@x.example", "b@x.example", "c@x.example")


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    """Provide a mail server that all mails go to."""
    with serving() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield running


def test_one_that_is_refused_is_known_and_the_others_are_reached(
    server: MailServer,
) -> None:
    server.refused["b@x.example"] = "550 nobody"

    handed = hand_in(messages_of(LETTER, readers=READERS, reference="x"))

    assert handed.reached == ["a@x.example", "c@x.example"]
    assert handed.refused == ["b@x.example"]
    assert handed.problem == "SMTPRecipientsRefused"
    assert [to for to, _ in server.taken] == [["a@x.example"], ["c@x.example"]]
    assert "a@x.example" not in server.taken[1][1]


def test_one_whose_text_is_refused_costs_the_next_nothing(server: MailServer) -> None:
    server.unwanted["b@x.example"] = "554 not this"

    handed = hand_in(messages_of(LETTER, readers=READERS, reference="x"))

    assert handed.reached == ["a@x.example", "c@x.example"]
    assert handed.refused == ["b@x.example"]
    assert handed.problem == "SMTPDataError"


def test_many_share_a_connection(server: MailServer) -> None:
    handed = hand_in(messages_of(LETTER, readers=READERS, reference="x"))

    assert handed.reached == list(READERS)
    assert server.connections == 1


def test_one_that_no_mail_can_be_written_for_costs_no_other(server: MailServer) -> None:
    readers = ("=?utf-8?q?a=0ab?=@x.example", "=?utf-8?q??=@x.example", *READERS)

    handed = hand_in(messages_of(LETTER, readers=readers, reference="x"))

    assert handed.reached == list(READERS)
    assert handed.refused == list(readers[:2])
    assert handed.problem == "UnwritableMailError"


def test_one_that_is_hung_up_on_costs_no_other(server: MailServer) -> None:
    server.refused["b@x.example"] = "421 too many"

    handed = hand_in(messages_of(LETTER, readers=READERS, reference="x"))

    assert handed.reached == ["a@x.example", "c@x.example"]
    assert handed.refused == ["b@x.example"]
    assert server.connections == 2


def test_a_server_that_hangs_up_again_ends_it_and_who_is_left_is_known(
    server: MailServer,
) -> None:
    server.refused |= dict.fromkeys(READERS[:2], "421 too many")

    handed = hand_in(messages_of(LETTER, readers=READERS, reference="x"))

    assert handed.reached == []
    assert handed.refused == ["c@x.example", "a@x.example", "b@x.example"]
    assert server.connections == 2


def test_a_server_that_is_not_there_is_an_error_of_all(settings: Settings) -> None:
    with serving() as gone:
        port = gone.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port

    handed = hand_in(messages_of(LETTER, readers=READERS, reference="x"))

    assert (handed.reached, handed.refused) == ([], list(READERS))
    assert handed.problem == "ConnectionRefusedError"
