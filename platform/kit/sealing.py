"""Seal text with a key that stands nowhere beside it (AES-256-GCM).

Failure: what was altered, or sealed with another key or for another purpose, opens with
a `SealBrokenError`; nothing of it is handed out.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class SealBrokenError(Exception):
    """The sealed bytes were altered, or are not this key's."""


def seal(plain: bytes, *, key: bytes, context: bytes) -> bytes:
    """Return the sealed bytes; `context` is not in them and must be known to open."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def unseal(sealed: bytes, *, key: bytes, context: bytes) -> bytes:
    """Return what was sealed; raises `SealBrokenError`."""
    nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, rest, context)
    except (InvalidTag, ValueError):
        raise SealBrokenError from None
