"""Read a stated number exactly: its text becomes a fraction, or is refused. Pure.

Text is the only form that says what was meant: a binary float is already another
number. No power of ten is computed before it is known to be small, so that `1e999999`
costs nothing.

Failure: `InvalidRequest` that names the field and says what to write instead.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from kit.errors import InvalidRequest

# Far more than the 38 digits in which the ledger counts picos.
DIGITS_MAX = 60
_TEXT_MAX = 200
_SHOWN_MAX = 40
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?=\.?[0-9])(?P<whole>[0-9]*)(?:\.(?P<places>[0-9]*))?"
    r"(?:[eE](?P<power>[+-]?[0-9]+))?"
)


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number of a JSON document, as it was written."""

    text: str


def fraction_from(value: object, *, field: str) -> Fraction:
    """Return the number that is stated, exactly.

    `value` is text, an integer or a `JsonNumber`. Raises `InvalidRequest` for anything
    else, for a negative number, and for one of too many digits.
    """
    text = _text_of(value, field)
    match = _NUMBER.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if match is None:
        raise InvalidRequest(
            f"{_shown(text)} is not a number: write a decimal such as '0.05'",
            param=field,
        )
    places = match["places"] or ""
    digits = (match["whole"] + places).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return Fraction(0)
    if match["sign"] == "-":
        raise InvalidRequest(
            f"{_shown(text)} is negative: it must be zero or more", param=field
        )
    # The number is the significant digits, times ten to this power.
    power = int(match["power"] or 0) - len(places) + len(digits) - len(significant)
    if len(significant) + power > DIGITS_MAX or -power > DIGITS_MAX:
        raise InvalidRequest(
            f"{_shown(text)} has too many digits: at most {DIGITS_MAX} before the "
            f"decimal point and {DIGITS_MAX} after it",
            param=field,
        )
    if power < 0:
        return Fraction(int(significant), 10**-power)
    return Fraction(int(significant) * 10**power)


def _text_of(value: object, field: str) -> str:
    if isinstance(value, JsonNumber):
        return value.text
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        # Python itself refuses to write out an integer of many thousand digits.
        return str(value) if abs(value) < 10**_TEXT_MAX else "an integer"
    raise InvalidRequest(
        "give a number as text, such as '0.05': nothing else says it exactly",
        param=field,
    )


def _shown(text: str) -> str:
    return f"'{text}'" if len(text) <= _SHOWN_MAX else f"'{text[:_SHOWN_MAX]}...'"
