"""What a secret scanner needs to find our keys: patterns, prefixes, the checksum.

A scanner matches the pattern and then proves the checksum, which chance makes right
once in some four thousand million; so it can tell a leaked key from noise without
asking anybody. Pure: nothing here knows a key.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kit import api_keys
from kit.json_values import JsonObject

_BODY_CHARS = api_keys.SECRET_CHARS + api_keys.CHECKSUM_CHARS
# Letters, digits and underscores around it would make it a part of something else.
_BEFORE, _AFTER = r"(?<![0-9A-Za-z_])", r"(?![0-9A-Za-z_])"


@dataclass(frozen=True, slots=True)
class SecretKind:
    """One kind of secret, and what to do when it is found."""

    slug: str
    prefix: str
    description: str
    remedy: str

    @property
    def pattern(self) -> str:
        """Return the regular expression of this kind, in what all engines know."""
        return rf"{self.prefix}[0-9A-Za-z]{{{_BODY_CHARS}}}"


KINDS = (
    SecretKind(
        "tollgate_api_key",
        api_keys.PREFIX,
        "API key: calls models, and is billed to a tenant.",
        "Revoke it: `python manage.py revoke_key --stdin`, or POST"
        " /api/v1/keys/{id}/revoke/.",
    ),
    SecretKind(
        "tollgate_tenant_token",
        api_keys.TENANT_TOKEN_PREFIX,
        "Management token of a tenant.",
        "Revoke it: POST /api/v1/tokens/{id}/revoke/.",
    ),
    SecretKind(
        "tollgate_operator_token",
        api_keys.OPERATOR_TOKEN_PREFIX,
        "Management token of an operator: acts on every tenant.",
        "Revoke it at once: POST /api/v1/tokens/{id}/revoke/.",
    ),
    SecretKind(
        "tollgate_invitation",
        api_keys.INVITATION_PREFIX,
        "Link of an invitation: opens one place in a tenant, once.",
        "Revoke the invitation, and send another one.",
    ),
)
_ANY = re.compile(_BEFORE + api_keys.PATTERN.pattern + _AFTER)


def found_in(text: str) -> Iterator[str]:
    """Yield the secrets in a text: of the right shape, and with the right checksum."""
    prefixes = tuple(kind.prefix for kind in KINDS)
    for match in _ANY.finditer(text):
        if api_keys.is_well_formed(match[0], *prefixes):
            yield match[0]


def published() -> JsonObject:
    """Return all that a scanner's configuration asks for."""
    return {
        "kinds": [
            {
                "slug": kind.slug,
                "prefix": kind.prefix,
                "regex": kind.pattern,
                "description": kind.description,
                "remedy": kind.remedy,
            }
            for kind in KINDS
        ],
        "regex": _ANY.pattern,
        "keywords": [kind.prefix for kind in KINDS],
        "checksum": {
            "algorithm": "CRC-32 (IEEE 802.3, as zlib's)",
            "over": f"the {api_keys.SECRET_CHARS} characters behind the prefix",
            "encoding": f"base 62 of {api_keys.ALPHABET}, most significant digit first,"
            f" filled with 0 to {api_keys.CHECKSUM_CHARS} characters",
            "at": f"the last {api_keys.CHECKSUM_CHARS} characters",
        },
    }
