"""Sign what endpoints are called with, by the scheme of Standard Webhooks.

What is signed is the id, the attempt's instant and the body as it is sent, so that none
of them can be another's. Secrets lie sealed: only calling opens them. Failure: one that
was sealed under another pepper opens with a `SealBrokenError`. Owns: the form of
secrets.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings

from kit.sealing import seal, unseal

PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret, as its reader is to give it to a library."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sealed(secret: str, *, uid: UUID) -> bytes:
    """Seal the secret of an endpoint."""
    return seal(secret.encode(), key=settings.WEBHOOK_SECRET_KEY, context=uid.bytes)


def opened(sealed_secret: bytes | memoryview, *, uid: UUID) -> str:
    """Open the secret of an endpoint; raises `SealBrokenError`."""
    key = settings.WEBHOOK_SECRET_KEY
    return unseal(bytes(sealed_secret), key=key, context=uid.bytes).decode()


def headers(
    body: bytes, *, event_id: str, at_s: int, secrets_in_force: Iterable[str]
) -> dict[str, str]:
    """Return the headers that prove a body, by each of the secrets."""
    signed = b".".join((event_id.encode(), str(at_s).encode(), body))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(
            _signature(signed, secret) for secret in secrets_in_force
        ),
    }


def _signature(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
