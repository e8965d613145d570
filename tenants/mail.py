"""The mails that this app sends: plain words, as text and as HTML, one link each.

Names in them were typed by people of a tenant, so they are shortened, rid of control
characters and of addresses, and stand in quotes: nobody writes a header, or an
advertisement, through us. Failure: a mail that cannot be composed is a bug; sending is
the caller's.
"""

import re
import unicodedata
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from tenants import invitation_links as links
from tenants.models import Invitation
from tenants.roles import MEANINGS, as_role

_NAME_CHARS_MAX = 80
_ADDRESS = re.compile(r"\w+://|www\.", re.IGNORECASE)


def invitation_message(invitation: Invitation) -> EmailMultiAlternatives:
    """Compose the mail with the invitation's present link."""
    role = as_role(invitation.role)
    tenant = plain(invitation.tenant.name)
    inviter = invitation.invited_by
    context = {
        "tenant": tenant,
        "inviter": inviter and plain(inviter.name or inviter.email),
        "role": role.label.lower(),
        "meaning": MEANINGS[role],
        "expires_at": invitation.expires_at,
        "address": links.address_of(invitation),
        "host": _host(),
    }
    message = EmailMultiAlternatives(
        subject=f"Invitation to {tenant} on {_host()}",
        body=render_to_string("tenants/mail/invitation.txt", context),
        to=[invitation.email],
        headers={
            "Auto-Submitted": "auto-generated",
            # The same for each sending of one link: readers show it once.
            "Message-ID": f"<invitation-{invitation.digest[:32]}@{_host()}>",
        },
    )
    html = render_to_string("tenants/mail/invitation.html", context)
    message.attach_alternative(html, "text/html")
    return message


def plain(name: str) -> str:
    """Return a name as one short line without control characters or addresses."""
    visible = "".join(
        " " if unicodedata.category(mark)[0] in "CZ" else mark for mark in name
    )
    line = " ".join(_ADDRESS.sub("", visible).split())
    if len(line) > _NAME_CHARS_MAX:
        line = line[: _NAME_CHARS_MAX - 1].rstrip() + "…"
    return line


def _host() -> str:
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"
