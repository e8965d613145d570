"""Numbers are read to their last digit, or refused without any effort."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidRequest
from metering.pricing.components.decimals import (
    DIGITS_MAX,
    JsonNumber,
    fraction_from,
)


@given(st.from_regex(r"\+?([0-9]{1,50}\.?|[0-9]{0,30}\.[0-9]{1,30})", fullmatch=True))
def test_plain_decimals_are_what_they_say(text: str) -> None:
    assert fraction_from(text, field="x") == Fraction(Decimal(text))


@given(
    st.integers(0, 10**20),
    st.integers(0, 20),
    st.integers(-20, 20),
    st.sampled_from("eE"),
)
def test_powers_of_ten_are_what_they_say(
    digits: int, places: int, power: int, letter: str
) -> None:
    text = f"{digits}.{'0' * places}5{letter}{power}"
    expected = (digits + Fraction(5, 10 ** (places + 1))) * Fraction(10) ** power
    assert fraction_from(text, field="x") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (12, 12),
        (JsonNumber("0.10"), Fraction(1, 10)),
        ("-0.00", 0),
        ("0e999999999", 0),
        ("-0e-999999999", 0),
        ("9" * 60, 10**60 - 1),
        ("0" * 199 + "1", 1),
        ("1." + "0" * 100, 1),
        (f"1e-{DIGITS_MAX}", Fraction(1, 10**DIGITS_MAX)),
        (f"1e{DIGITS_MAX - 1}", 10 ** (DIGITS_MAX - 1)),
        (f"10e-{DIGITS_MAX + 1}", Fraction(1, 10**DIGITS_MAX)),
    ],
)
def test_what_is_taken(value: object, expected: Fraction) -> None:
    assert fraction_from(value, field="x") == expected


NOT_NUMBERS = (
    *(
        "",
        ".",
        "+",
        "1.2.3",
        "1,5",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "0x10",
        "five",
        "0" * 201,
    ),
    *("e5", "1e", "1e1.5", "--1", "NaN", "sNaN", "Infinity", "-inf", "½", "١", "５"),
    JsonNumber("9" * 100_000),
)
TOO_LONG = (
    *("1e999999", "1e-999999", "1e" + "9" * 190, "9" * 61),
    *(f"1e{DIGITS_MAX}", f"1e-{DIGITS_MAX + 1}", 10**DIGITS_MAX),
)
NOT_TEXT: tuple[object, ...] = (
    None,
    True,
    False,
    0.1,
    float("nan"),
    [],
    {},
    b"1",
    Decimal(1),
)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *((value, "is not a number") for value in NOT_NUMBERS),
        *((value, "is negative") for value in ("-0.01", -1, JsonNumber("-1e-5"))),
        *((value, "too many digits") for value in TOO_LONG),
        *((value, "give a number as text") for value in NOT_TEXT),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_refused(value: object, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(reason)) as refused:
        fraction_from(value, field="tiers[0].up_to")
    assert refused.value.param == "tiers[0].up_to"
    assert len(refused.value.message) < 200


def test_an_integer_that_python_would_not_write_out_is_refused() -> None:
    for huge in (10**100_000, -(10**100_000)):
        with pytest.raises(InvalidRequest, match="not a number"):
            fraction_from(huge, field="quantity")


@pytest.mark.parametrize(("length", "shown"), [(40, "x" * 40), (41, "x" * 40 + "...")])
def test_a_message_shows_no_more_than_is_read(length: int, shown: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^'{re.escape(shown)}' is not"):
        fraction_from("x" * length, field="quantity")
