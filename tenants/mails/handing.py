"""Hand mails to the mail server: one to each reader, who sees no other.

A mail to many is taken as soon as one of them is, and whoever was refused is told to
nobody. So each gets one of its own, and who was reached is known. They share one
connection; after a mail that was not taken there is another: it was left half said.

Failure: what is refused for one reader, or hung up on, stops no other. A mail server
that is away or silent, or hangs up twice in a row, stops all that are left. Owns:
nothing.
"""

import hashlib
from collections.abc import Callable, Sequence
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
_HUNG_UP_MAX = 2
# The server says so, and closes.
_CLOSING = 421


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


def hand_in(
    messages: Sequence[EmailMultiAlternatives],
    *,
    note: Callable[[str], object] = lambda _: None,
) -> Handed:
    """Give mails, each to one reader, to the mail server; raises nothing of its.

    `note` is told of each reader as he is reached: what ends the process between two of
    them forgets nobody.
    """
    handed, waiting = Handed(), list(messages)
    if not waiting:
        return handed
    connection = get_connection()
    hung_up = 0
    try:
        while waiting and hung_up < _HUNG_UP_MAX:
            # Of one that is open nothing.
            connection.open()
            message = waiting[0]
            message.connection = connection
            error = _hand_in_one(message, handed)
            waiting.pop(0)
            if message.to == handed.reached[-1:]:
                note(message.to[0])
            hung_up = hung_up + 1 if error and _is_hang_up(error) else 0
            if isinstance(error, TimeoutError):
                # One such wait is long enough.
                break
            if error:
                _close(connection)
    except OSError as error:
        handed.error = error
    finally:
        _close(connection)
    # Those first whose turn never came: next time it does.
    handed.refused[:0] = [each for message in waiting for each in message.to]
    return handed


def _hand_in_one(message: EmailMultiAlternatives, handed: Handed) -> OSError | None:
    """Give one to the mail server; return what it said against it."""
    said: OSError | None = None
    try:
        message.send()
    except OSError as error:
        handed.error = said = error
    except Exception as error:
        handed.error = UnwritableMailError("the mail cannot be written")
        handed.error.__cause__ = error
    else:
        handed.reached += message.to
        return None
    handed.refused += message.to
    return said


def _is_hang_up(error: OSError) -> bool:
    """Tell whether the connection is gone, and not one mail refused."""
    if isinstance(error, SMTPRecipientsRefused):
        return any(code == _CLOSING for code, _ in error.recipients.values())
    if isinstance(error, SMTPSenderRefused | SMTPDataError):
        return error.smtp_code == _CLOSING
    return True


def _close(connection: object) -> None:
    """End a connection; all that was taken is taken, whatever this says."""
    try:
        connection.close()  # type: ignore[attr-defined]
    except OSError:
        return


def _digest(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()[:_DIGEST_CHARS]
