"""Money: exact inside, rounded half up in one place, text at the edges."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.money import (
    PICOS_PER_UNIT,
    TOKENS_PER_QUOTE,
    Money,
    PriceFormatError,
    decimal_from_minor,
    decimal_from_picos,
    exponent,
    format_minor,
    format_picos,
    minor_from_picos,
    minor_from_units,
    picos_from_minor,
    picos_per_token,
    quote_per_million,
    ungrouped,
)

# One of each exponent: 0, 2 and 3.
CURRENCIES = ("JPY", "USD", "BHD")
amounts = st.integers(-(10**38), 10**38)
currencies = st.sampled_from(CURRENCIES)
quotes = st.decimals(
    min_value=0, max_value=10**6, places=6, allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("JPY", 0), ("krw", 0), ("ISK", 0), ("USD", 2), ("KWD", 3)],
)
def test_exponent(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


@pytest.mark.parametrize(
    ("picos", "currency", "minor"),
    [
        (0, "USD", 0),
        (4_999_999_999, "USD", 0),
        (5_000_000_000, "USD", 1),
        (5_000_000_001, "USD", 1),
        (14_999_999_999, "USD", 1),
        (15_000_000_000, "USD", 2),
        (-4_999_999_999, "USD", 0),
        (-5_000_000_000, "USD", -1),
        (-15_000_000_000, "USD", -2),
        (499_999_999_999, "JPY", 0),
        (500_000_000_000, "JPY", 1),
        (-500_000_000_000, "JPY", -1),
        (499_999_999, "BHD", 0),
        (500_000_000, "BHD", 1),
        (9_000_000_500_000_000_000, "JPY", 9_000_001),
    ],
)
def test_rounds_half_up_away_from_zero(picos: int, currency: str, minor: int) -> None:
    assert minor_from_picos(picos, currency) == minor


@given(amounts, currencies)
def test_rounds_as_decimal_does(picos: int, currency: str) -> None:
    unit = PICOS_PER_UNIT // 10 ** exponent(currency)
    # An exact quotient: the default context would round it first.
    whole, rest = divmod(abs(picos), unit)
    rounded = int((Decimal(rest) / unit).quantize(Decimal(1), ROUND_HALF_UP))
    expected = whole + rounded
    assert minor_from_picos(picos, currency) == (expected if picos >= 0 else -expected)


@given(amounts, currencies)
def test_units_round_as_picos_do(picos: int, currency: str) -> None:
    units = Fraction(picos, PICOS_PER_UNIT)
    assert minor_from_units(units, currency) == minor_from_picos(picos, currency)


@pytest.mark.parametrize(
    ("units", "currency", "minor"),
    [
        (Fraction(1, 3), "USD", 33),
        (Fraction(2, 3), "USD", 67),
        (Fraction(-2, 3), "USD", -67),
        # Nearer to the half than a pico.
        (Fraction(1, 200), "USD", 1),
        (Fraction(10**40 - 1, 2 * 10**42), "USD", 0),
        (Fraction(1, 2), "JPY", 1),
        (Fraction(1, 2000), "BHD", 1),
    ],
)
def test_units_between_picos_round_half_up_too(
    units: Fraction, currency: str, minor: int
) -> None:
    assert minor_from_units(units, currency) == minor


@given(amounts, currencies)
def test_rounding_is_odd_and_off_by_half_a_unit_at_most(
    picos: int, currency: str
) -> None:
    minor = minor_from_picos(picos, currency)
    assert minor_from_picos(-picos, currency) == -minor
    unit = picos_from_minor(1, currency)
    assert abs(picos_from_minor(minor, currency) - picos) * 2 <= unit


@given(st.integers(-(10**20), 10**20), currencies)
def test_minor_units_survive_the_way_there_and_back(minor: int, currency: str) -> None:
    assert minor_from_picos(picos_from_minor(minor, currency), currency) == minor


@given(quotes)
def test_quote_is_whole_picos_a_token(quote: Decimal) -> None:
    """A million tokens cost exactly what was quoted."""
    picos = picos_per_token(quote)
    assert Decimal(picos * TOKENS_PER_QUOTE) / PICOS_PER_UNIT == quote
    assert picos_per_token(str(quote)) == picos
    assert Decimal(quote_per_million(picos)) == quote


@pytest.mark.parametrize(
    ("quote", "picos"),
    [
        ("0", 0),
        ("0.000001", 1),
        ("0.5", 500_000),
        ("3", 3_000_000),
        ("3.0000000", 3_000_000),
        ("999999999999999.999999", 999_999_999_999_999_999_999),
        (Decimal("0e999"), 0),
        (Decimal("1e3"), 1_000_000_000),
        (Decimal("15.25"), 15_250_000),
    ],
)
def test_quote(quote: str | Decimal, picos: int) -> None:
    assert picos_per_token(quote) == picos


@pytest.mark.parametrize(
    "quote",
    [
        "0.0000001",
        "1.2345678",
        Decimal("1e-7"),
        "-1",
        "-0.000001",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "",
        "free",
        "1,5",
        "0x10",
        "1e",
        "1e3",
        "0e999",
        "1_000",
        "+5",
        ".5",
        "5.",
        " 5",
        "\u0661\u0662",
        "\uff15",
        "9" * 5000,
        Decimal("1e15"),
        "1e15",
        "1e999999",
        "1e-999999",
        "12345678901234.00000000000000000001",
    ],
)
def test_quote_is_refused(quote: str | Decimal) -> None:
    with pytest.raises(PriceFormatError):
        picos_per_token(quote)


@pytest.mark.parametrize(
    ("picos", "quote"),
    [(0, "0.00"), (1, "0.000001"), (500_000, "0.50"), (3_000_000, "3.00")],
)
def test_quote_shows_at_least_two_decimals(picos: int, quote: str) -> None:
    assert quote_per_million(picos) == quote


@pytest.mark.parametrize(
    ("picos", "shown"),
    [
        (0, "0.00"),
        (1, "0.000000000001"),
        (123_450_000, "0.00012345"),
        (1_234_500_000_000_000, "1,234.50"),
        (-1_500_000_000_000, "-1.50"),
        (-1, "-0.000000000001"),
    ],
)
def test_exact_amount_is_shown(picos: int, shown: str) -> None:
    assert format_picos(picos) == shown
    assert decimal_from_picos(picos) == shown.replace(",", "")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (" 1,234,567.50 ", "1234567.50"),
        ("12,000", "12000"),
        ("1234.5", "1234.5"),
        ("1,50", "1,50"),
        ("1234,567", "1234,567"),
        ("0,500", "0,500"),
        ("1.234,567", "1.234,567"),
    ],
)
def test_only_commas_between_thousands_are_left_out(typed: str, number: str) -> None:
    assert ungrouped(typed) == number


@given(st.integers(-(10**27), 10**27))
def test_exact_amount_can_be_read_back(picos: int) -> None:
    text = decimal_from_picos(picos)
    whole, _, fraction = text.lstrip("-").partition(".")
    magnitude = int(whole) * PICOS_PER_UNIT + int(fraction.ljust(12, "0"))
    assert (-magnitude if text.startswith("-") else magnitude) == picos


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (0, "USD", "0.00 USD"),
        (5, "usd", "0.05 USD"),
        (123_450, "USD", "1,234.50 USD"),
        (-123_450, "USD", "-1,234.50 USD"),
        (-5, "USD", "-0.05 USD"),
        (1_234_567, "JPY", "1,234,567 JPY"),
        (1_234_567, "BHD", "1,234.567 BHD"),
    ],
)
def test_minor_units_are_shown(minor: int, currency: str, shown: str) -> None:
    assert format_minor(minor, currency) == shown


def test_money_shows_itself_rounded() -> None:
    assert str(Money(picos=1_250_005_000_000_000, currency="USD")) == "1,250.01 USD"
    assert str(Money(picos=-500_000_000_000, currency="JPY")) == "-1 JPY"


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "USD", "0.00"),
        (123_450, "USD", "1234.50"),
        (-5, "USD", "-0.05"),
        (1_234_567, "JPY", "1234567"),
        (1_234_567, "BHD", "1234.567"),
    ],
)
def test_minor_units_as_a_plain_decimal(minor: int, currency: str, text: str) -> None:
    assert decimal_from_minor(minor, currency) == text
