"""Say a field of an audited change as people read it: amounts, instants. Pure.

Entries hold whole numbers, picos or minor units, since those are exact. A change says
its currency itself, if that is one of its fields; otherwise it is that of the tenant.
Failure: an amount without any currency is said to be in minor units.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from kit.money import format_minor, format_picos

# As entries hold instants: a date alone, and a name that looks like one, is none.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.A)
_MINOR, _PICOS = "_minor", "_picos"


def called(name: str) -> str:
    """Return what a field is called, without the unit that it is kept in."""
    plain = name.removesuffix("_id").removesuffix(_PICOS).removesuffix(_MINOR)
    return plain.replace("_", " ")


def currency_of(*sides: Mapping[str, Any], otherwise: str) -> str:
    """Return the currency that a change names, the later first."""
    named = (f"{side['currency']}" for side in sides if side.get("currency"))
    return next(named, otherwise)


def amount(name: str, value: object, currency: str) -> str | None:
    """Return a field that holds an amount in units of its currency; None of another."""
    # Numbers that JSON would round are kept as text.
    if not name.endswith((_MINOR, _PICOS)) or isinstance(value, bool):
        return None
    text = f"{value}"
    if not text.removeprefix("-").isdecimal():
        return None
    if name.endswith(_PICOS):
        return f"{format_picos(int(text))} {currency}".strip()
    if not currency:
        return f"{int(text):,} minor units"
    return format_minor(int(text), currency)


def instant(value: object, zone: str) -> str | None:
    """Return a field that holds an instant, on a tenant's clocks; None of another."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        at = dt.datetime.fromisoformat(value).astimezone(ZoneInfo(zone))
    except (ValueError, OverflowError):
        return None
    return f"{at:%Y-%m-%d %H:%M:%S}"
