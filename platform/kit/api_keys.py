"""The shape of an API key: `tg_`, 256 random bits, a checksum, all base 62.

The checksum lets a mistyped or made-up key be refused before anything is looked up, and
lets secret scanners tell a key from noise. At rest only an HMAC under the pepper is
kept; 256 random bits need no slow hash.
"""

import hmac
import re
import secrets
import zlib

PREFIX = "tg_"
SECRET_CHARS = 43
CHECKSUM_CHARS = 6
SHOWN_CHARS = 9
PATTERN = re.compile(rf"tg_[0-9A-Za-z]{{{SECRET_CHARS + CHECKSUM_CHARS}}}")

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def generate() -> str:
    """Make a new API key."""
    secret = _base62(secrets.randbits(256), SECRET_CHARS)
    return PREFIX + secret + _checksum(secret)


def is_well_formed(key: str) -> bool:
    """Tell whether the key has our shape and its checksum holds."""
    if not PATTERN.fullmatch(key):
        return False
    body = key[len(PREFIX) :]
    return _checksum(body[:SECRET_CHARS]) == body[SECRET_CHARS:]


def digest(key: str, pepper: bytes) -> str:
    """Return what is stored of a key: its HMAC-SHA256 under the pepper, in hex."""
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def shown(key: str) -> str:
    """Return the part of a key that may be shown again, to tell keys apart."""
    return f"{key[:SHOWN_CHARS]}…{key[-4:]}"


def _checksum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), CHECKSUM_CHARS)


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
