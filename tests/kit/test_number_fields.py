"""Numbers in forms are plain digits; what Python alone reads as one is a slip."""

import re
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from kit.money import AmountFormatError, picos_from_decimal
from kit.number_fields import PlainDecimalField, WholeField

# Read by `int` or `Decimal`, or nearly so, and meant by nobody.
SLIPS = (
    *("1e3", "1E3", "1_000", "+5", "1,50", "1.000,50", "0x10", "1 000", "--5", "five"),
    *("NaN", "sNaN", "Infinity", "-Infinity", "inf", "nan"),
    *("\u0661\u0662\u0663", "\uff11\uff12", "\u0967\u0968", "1\u0662", "\u00b2"),
    *("\u22125", "1\x00", "9" * 19, "9" * 5000, ".", "-"),
)
WHOLE = {"0": 0, "250": 250, " 250 ": 250, "1,250": 1250, "-5": -5, "": None}
DECIMALS = {"2.50": "2.50", "2": "2", "1,234.5": "1234.5", "5.": "5", "-1.5": "-1.5"}


@pytest.mark.parametrize(("typed", "number"), WHOLE.items())
def test_a_whole_number_is_taken(typed: str, number: int | None) -> None:
    assert WholeField(required=False).clean(typed) == number


@pytest.mark.parametrize("typed", [*SLIPS, "2.5", "2.0"])
def test_a_slip_is_no_whole_number(typed: str) -> None:
    with pytest.raises(ValidationError, match="Write a whole number in digits"):
        WholeField().clean(typed)


@pytest.mark.parametrize(("typed", "number"), DECIMALS.items())
def test_a_decimal_is_taken(typed: str, number: str) -> None:
    assert PlainDecimalField().clean(typed) == Decimal(number)


@pytest.mark.parametrize("typed", [*SLIPS, ".5"])
def test_a_slip_is_no_decimal(typed: str) -> None:
    with pytest.raises(ValidationError, match="Write a number in digits"):
        PlainDecimalField().clean(typed)


@pytest.mark.parametrize("typed", SLIPS)
def test_a_slip_is_no_amount(typed: str) -> None:
    with pytest.raises(AmountFormatError, match=re.escape("such as 250.00")):
        picos_from_decimal(typed)
