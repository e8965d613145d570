"""One secret per purpose, derived from a root secret by a label (HKDF, RFC 5869).

A value made for one purpose then proves nothing for another, though an installation
keeps few secrets. Failure: an empty root is refused, whoever asks.
"""

import hmac
from enum import StrEnum

SECRET_BYTES = 32
_SALT = b"tollgate"


class Purpose(StrEnum):
    """What a derived secret is for; the number changes when its use does."""

    API_KEY = "tollgate/api-key/1"
    MANAGEMENT_TOKEN = "tollgate/management-token/1"  # noqa: S105
    INVITATION = "tollgate/invitation/1"
    STORED_ANSWER = "tollgate/stored-answer/1"
    RESPONSE_CACHE = "tollgate/response-cache/1"
    CACHE_SALT = "tollgate/cache-salt/1"
    IDEMPOTENCY = "tollgate/idempotency/1"
    SECOND_FACTOR = "tollgate/second-factor/1"
    AUDIT_ANCHOR = "tollgate/audit-anchor/1"
    WEBHOOK_SECRET = "tollgate/webhook-secret/1"  # noqa: S105


def derive(root: bytes, purpose: Purpose) -> bytes:
    """Return the 32 bytes of this purpose.

    Raises `ValueError` for an empty root.
    """
    if not root:
        raise ValueError("an empty secret derives nothing secret")
    extracted = hmac.digest(_SALT, root, "sha256")
    # One block of HKDF's expansion is all that 32 bytes of SHA-256 need.
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")
