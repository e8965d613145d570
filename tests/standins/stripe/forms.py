"""Decode Stripe's nested form encoding: `lines[0][metadata][id]=7` and its like."""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from tests.standins.stripe.errors import invalid

_NAME = re.compile(r"^[^\[\]]+((\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")
NAMES_KEPT = 8192


def decode(form: str) -> dict[str, Any]:
    """Return the form as nested dicts; arrays are still dicts keyed by index text."""
    decoded: dict[str, Any] = {}
    for name, value in parse_qsl(
        form, keep_blank_values=True, strict_parsing=bool(form)
    ):
        _place(decoded, _parts(name), value, name)
    return decoded


@lru_cache(NAMES_KEPT)
def _parts(name: str) -> tuple[str, ...]:
    match = _NAME.match(name)
    if match is None:
        raise invalid(f"Invalid parameter name: {name}", param=name)
    return (name[: match.start(1)], *_PART.findall(match.group(1)))


def _place(
    target: dict[str, Any], path: tuple[str, ...], value: str, name: str
) -> None:
    *parents, last = path
    for part in parents:
        # `expand[]=a&expand[]=b` numbers itself.
        target = target.setdefault(part or str(len(target)), {})
        if not isinstance(target, dict):
            raise invalid(f"Conflicting parameter: {name}", param=name)
    last = last or str(len(target))
    if last in target:
        raise invalid(f"Repeated parameter: {name}", param=name)
    target[last] = value
