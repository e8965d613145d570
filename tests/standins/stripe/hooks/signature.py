"""Stripe's signature of a webhook: HMAC-SHA256 over its time and its raw body.

Shares no code with the SDK that the product verifies with: it is the other witness.
"""

import hmac
from collections.abc import Iterable


def header(body: bytes, secrets: Iterable[str], *, at: int) -> str:
    """Return the `Stripe-Signature` header; each secret adds a signature."""
    signed = f"{at}.".encode() + body
    marks = [
        hmac.new(secret.encode(), signed, "sha256").hexdigest() for secret in secrets
    ]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])
