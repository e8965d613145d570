"""The shape of API keys and tokens: a prefix, 256 random bits, a checksum, in base 62.

The prefix tells what it is: `tg_` calls `/v1`; `tgt_`, a tenant's, and `tgo_`, an
operator's, call the management API; `tgi_` is in the link of an invitation.

The checksum lets a mistyped or made-up key be refused before anything is looked up, and
lets secret scanners tell a key from noise. At rest only an HMAC under a secret
of its purpose is kept; 256 random bits need no slow hash.
"""

import hmac
import re
import secrets
import zlib
from functools import lru_cache

PREFIX = "tg_"
TENANT_TOKEN_PREFIX = "tgt_"  # noqa: S105
OPERATOR_TOKEN_PREFIX = "tgo_"  # noqa: S105
INVITATION_PREFIX = "tgi_"
SECRET_CHARS = 43
CHECKSUM_CHARS = 6
SHOWN_CHARS = 9
PATTERN = re.compile(rf"tg[toi]?_[0-9A-Za-z]{{{SECRET_CHARS + CHECKSUM_CHARS}}}")

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Every request's key is checked: digits by twos take a third of the time.
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)


def generate(prefix: str = PREFIX) -> str:
    """Make a new API key, or a token of another prefix."""
    return render(secrets.randbits(256), prefix)


def render(secret_bits: int, prefix: str) -> str:
    """Return the key or token of 256 bits that are secret already."""
    secret = _base62(secret_bits, SECRET_CHARS)
    return prefix + secret + _checksum(secret)


def is_well_formed(key: str, *prefixes: str) -> bool:
    """Tell whether it has our shape, one of the prefixes (`tg_`), and its checksum."""
    if not PATTERN.fullmatch(key) or not key.startswith(prefixes or (PREFIX,)):
        return False
    body = key[key.index("_") + 1 :]
    return _checksum(body[:SECRET_CHARS]) == body[SECRET_CHARS:]


def digest(key: str, secret: bytes) -> str:
    """Return what is stored of a key: its HMAC-SHA256 under the secret, in hex."""
    keyed = _keyed(secret).copy()
    keyed.update(key.encode())
    return keyed.hexdigest()


def shown(key: str) -> str:
    """Return the part of a key that may be shown again, to tell keys apart."""
    return f"{key[:SHOWN_CHARS]}…{key[-4:]}"


@lru_cache(maxsize=8)
def _keyed(secret: bytes) -> hmac.HMAC:
    # To begin with the secret anew takes longer than all that follows.
    return hmac.new(secret, digestmod="sha256")


def _checksum(secret: str) -> str:
    rest, low = divmod(zlib.crc32(secret.encode()), len(_PAIRS))
    high, middle = divmod(rest, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
