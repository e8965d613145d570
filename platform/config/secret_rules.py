"""What may be a secret: long, random by its looks, and in no second place.

Asked by every process that reads its settings, so that neither a gateway nor the web
process ever runs on something that others know. Failure: a `ValueError` that says what
is wrong and how to mend it, and never shows the value.
"""

from collections.abc import Mapping

CHARS_MIN = 32
# 32 random hexadecimal digits have nearly always more kinds of them than this.
KINDS_MIN = 8
# An installation's own secrets; each proves something else, and to others.
SECRETS = ("KEY_PEPPER", "OPERATOR_TOKEN", "SECRET_KEY")
# Of examples and habits. Each is too long to turn up in random text by chance.
_PLACEHOLDERS = (
    "abcdefgh",
    "changeme",
    "change-me",
    "change_me",
    "default",
    "example",
    "insecure",
    "password",
    "placeholder",
    "qwertyui",
    "replace",
    "secret",
    "1234567",
)
_REMEDY = "Make one: openssl rand -base64 48"


def require_secret(value: str, *, name: str, environment: Mapping[str, str]) -> str:
    """Return the secret of this name, if it may be one.

    Raises `ValueError` for one that is short, looks like a default, or is in the
    environment under another secret's name as well.
    """
    if len(value) < CHARS_MIN:
        raise ValueError(f"give at least {CHARS_MIN} random characters")
    if _looks_like_a_default(value):
        raise ValueError(f"is not random but looks like a default. {_REMEDY}")
    for other in SECRETS:
        if other != name and environment.get(other) == value:
            raise ValueError(f"is the same as {other}. {_REMEDY}")
    return value


def _looks_like_a_default(value: str) -> bool:
    lowered = value.lower()
    return (
        len(set(value)) < KINDS_MIN
        or _is_repeated(value)
        or any(placeholder in lowered for placeholder in _PLACEHOLDERS)
    )


def _is_repeated(value: str) -> bool:
    """Tell whether it is one piece again and again, the last one maybe cut off."""
    return any(
        value == (value[:length] * (len(value) // length + 1))[: len(value)]
        for length in range(1, len(value) // 2 + 1)
    )
