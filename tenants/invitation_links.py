"""The secret of an invitation's link: `tgi_...`, made of the row and kept nowhere.

It is an HMAC of the row's nonce under the installation's secret for invitations.
So nothing secret is stored, not even until the mail has gone: a mail that was lost is
sent again with the same link, one that went out twice is twice the same, and nothing
has to be erased afterwards. A database alone opens no door. A new nonce is a new link,
and the old one is dead.

Failure: an empty secret stops the start, before any link is made.
"""

import hmac
import secrets

from django.conf import settings

from kit import api_keys
from tenants.models import Invitation

# Apart from digests, which are made of texts: those begin with their prefix.
_LABEL = "link"


def new_nonce() -> str:
    """Return what makes the next link another one."""
    return secrets.token_hex(16)


def text_of(nonce: str) -> str:
    """Return the secret text of the link that a nonce makes."""
    message = f"{_LABEL}:{nonce}".encode()
    made = hmac.digest(settings.INVITATION_SECRET, message, "sha256")
    return api_keys.render(int.from_bytes(made, "big"), api_keys.INVITATION_PREFIX)


def digest_of(text: str) -> str | None:
    """Return what a row is found by; None for a text that is none of ours."""
    if not api_keys.is_well_formed(text, api_keys.INVITATION_PREFIX):
        return None
    return api_keys.digest(text, settings.INVITATION_SECRET)


def address_of(invitation: Invitation) -> str:
    """Return the address of the page that the mail points to."""
    start = settings.PUBLIC_URL.rstrip("/")
    return f"{start}/accounts/invitation/{text_of(invitation.nonce)}/"
