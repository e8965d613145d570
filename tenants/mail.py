"""The mails that this app sends: plain words, as text and as HTML, one link each.

Names in them were typed by people of a tenant, so they are shortened, rid of control
characters and of addresses, and stand in quotes: nobody writes a header, or an
advertisement, through us. Failure: a mail that cannot be composed is a bug; sending is
the caller's.
"""

import datetime as dt
import re
import unicodedata

from django.core.mail import EmailMultiAlternatives

from tenants import invitation_links as links
from tenants.mails.letter import Action, Letter, host_name, message_of
from tenants.models import Invitation
from tenants.roles import MEANINGS, as_role

_NAME_CHARS_MAX = 80
_ADDRESS = re.compile(r"\w+://|www\.", re.IGNORECASE)


def invitation_message(invitation: Invitation) -> EmailMultiAlternatives:
    """Compose the mail with the invitation's present link."""
    role = as_role(invitation.role)
    tenant = plain(invitation.tenant.name)
    inviter = invitation.invited_by
    who = (
        f"“{plain(inviter.name or inviter.email)}” invites you"
        if inviter
        else "You are invited"
    )
    ends = f"{invitation.expires_at.astimezone(dt.UTC):%-d %B %Y, %H:%M} UTC"
    letter = Letter(
        subject=f"Invitation to {tenant} on {host_name()}",
        headline=f"{who} to join “{tenant}” on {host_name()}.",
        paragraphs=(f"Your role: {role.label.lower()}. {MEANINGS[role]}",),
        action=Action("Accept the invitation", links.address_of(invitation)),
        small=(
            f"The link is for you alone, works once, and ends on {ends}. If you did"
            " not expect it, do nothing: without the link nothing happens.",
        ),
    )
    reference = f"invitation-{invitation.digest[:32]}"
    return message_of(letter, to=[invitation.email], reference=reference)


def plain(name: str) -> str:
    """Return a name as one short line without control characters or addresses."""
    visible = "".join(
        " " if unicodedata.category(mark)[0] in "CZ" else mark for mark in name
    )
    line = " ".join(_ADDRESS.sub("", visible).split())
    if len(line) > _NAME_CHARS_MAX:
        line = line[: _NAME_CHARS_MAX - 1].rstrip() + "…"
    return line
