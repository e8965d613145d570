"""Hand mails to the mail server: one to each reader, who sees no other.

A mail to many is taken as soon as one of them is, and whoever was refused is told to
nobody. So each gets one of its own, over one connection, and who was reached is known.

Failure: what is refused for one reader stops no other; a mail server that is away stops
all that are left. Owns: nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from smtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
)

from django.core.mail import EmailMultiAlternatives, get_connection

from tenants.mails.letter import Letter, message_of

_DIGEST_CHARS = 16
# Of one mail alone: the connection is good for the next.
_OF_ONE = (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError)


class UnwritableMailError(SMTPException):
    """No mail can be written for this, an address above all: that mail's failure."""


@dataclass(slots=True)
class Handed:
    """Who was reached and who was not; the last error, if there was one."""

    reached: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    error: OSError | None = None

    @property
    def problem(self) -> str:
        """Return what went wrong, without the error's text, which repeats addresses."""
        return type(self.error).__name__ if self.error else ""


def messages_of(
    letter: Letter, *, readers: Sequence[str], reference: str
) -> list[EmailMultiAlternatives]:
    """Compose a letter for each reader; each has one id at all attempts."""
    return [
        message_of(letter, to=[each], reference=f"{reference}-{_digest(each)}")
        for each in readers
    ]


def hand_in(messages: Sequence[EmailMultiAlternatives]) -> Handed:
    """Give mails, each to one reader, to the mail server; raises nothing of its."""
    handed, waiting = Handed(), list(messages)
    if not waiting:
        return handed
    connection = get_connection()
    try:
        connection.open()
        while waiting:
            message = waiting[0]
            message.connection = connection
            _hand_in_one(message, handed)
            waiting.pop(0)
    except OSError as error:
        handed.error = error
    finally:
        _close(connection)
    handed.refused += [each for message in waiting for each in message.to]
    return handed


def _hand_in_one(message: EmailMultiAlternatives, handed: Handed) -> None:
    """Give one to the mail server; raises what is not about this mail alone."""
    try:
        message.send()
    except (ValueError, LookupError) as error:
        handed.error = UnwritableMailError("the mail cannot be written")
        handed.error.__cause__ = error
    except _OF_ONE as error:
        handed.error = error
    else:
        handed.reached += message.to
        return
    handed.refused += message.to


def _close(connection: object) -> None:
    """End a connection; all that was taken is taken, whatever this says."""
    try:
        connection.close()  # type: ignore[attr-defined]
    except OSError:
        return


def _digest(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()[:_DIGEST_CHARS]
