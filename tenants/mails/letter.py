"""One layout for every mail: a fact, its figures, one action; as text and as HTML.

Styles stand in the elements, since readers of mail drop style sheets; a sheet adds dark
colours for those that keep it. Nothing is loaded from anywhere, and no opening is
counted. Pure but for the installation's address.

Failure: a letter without a subject or a headline is a bug, said at once.
"""

import datetime as dt
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

_TEMPLATE = "tenants/mail/letter"


@dataclass(frozen=True, slots=True)
class Action:
    """The one thing to do next."""

    label: str
    address: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes along."""

    name: str
    content: bytes
    kind: str = "application/pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says; `subject` is a fact with its number and whose it is.

    Names that people typed come through `tenants.mail.plain`.
    """

    subject: str
    headline: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    action: Action | None = None
    small: tuple[str, ...] = ()
    """What explains why one gets it, or what to do if one did not expect it."""
    choice: Action | None = None
    """Where one says that one wants no more of these, where that may be said."""
    attached: tuple[Attached, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not (self.subject and self.headline):
            raise ValueError("a letter has a subject and a headline")


def message_of(
    letter: Letter, *, to: list[str], reference: str
) -> EmailMultiAlternatives:
    """Compose a letter; the same `reference` is the same mail, at each attempt."""
    host = host_name()
    context = {"letter": letter, "host": host}
    message = EmailMultiAlternatives(
        subject=" ".join(letter.subject.split()),
        body=render_to_string(f"{_TEMPLATE}.txt", context),
        to=to,
        headers={
            "Auto-Submitted": "auto-generated",
            # The same at each attempt: readers show it once.
            "Message-ID": f"<{reference}@{host}>",
        },
    )
    html = render_to_string(f"{_TEMPLATE}.html", context)
    message.attach_alternative(html, "text/html")
    for each in letter.attached:
        message.attach(each.name, each.content, each.kind)
    return message


def moment(at: dt.datetime, zone: str) -> str:
    """Return an instant on the clocks of a zone, as people read it."""
    return f"{at.astimezone(ZoneInfo(zone)):%-d %B %Y, %H:%M} ({zone})"


def host_name() -> str:
    """Return what the installation is called in mails."""
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"


def address_of(path: str) -> str:
    """Return the address of a page of this installation."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def console_address(slug: str, rest: str = "") -> str:
    """Return the address of a page of a tenant's console."""
    return address_of(f"/console/{slug}/{rest}")
