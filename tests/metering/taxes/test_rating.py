"""Tax is rounded once per rate, on the sum of what is taxed, and exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.money import exponent, minor_from_units, picos_from_minor
from metering.taxes.rating import Rate, tax_lines

CURRENCIES = st.sampled_from(["USD", "JPY", "BHD"])
SUMS = st.integers(-(10**15), 10**15)
PERCENTS = st.decimals(0, 100, places=4)


def rate(percent: str | Decimal, name: str = "VAT") -> Rate:
    """Make a rate."""
    return Rate(1, name, Decimal(percent))


@pytest.mark.parametrize(
    ("taxable", "percent", "currency", "tax"),
    [
        (10_000, "19", "EUR", 1_900),
        # 0.095 is half a cent more than 0.09: up.
        (50, "19", "EUR", 10),
        # Two lines of 0.13 would be taxed 0.02 each by themselves.
        (26, "19", "EUR", 5),
        (-50, "19", "EUR", -10),
        (105, "10", "JPY", 11),
        (1, "0.0001", "USD", 0),
        (10_000, "9.975", "CAD", 998),
        (10_005, "5", "BHD", 500),
        (10_010, "5", "BHD", 501),
        (99, "0", "USD", 0),
        (99, "100", "USD", 99),
    ],
)
def test_tax_is_half_up_on_the_sum(
    taxable: int, percent: str, currency: str, tax: int
) -> None:
    (line,) = tax_lines(taxable, rates=[rate(percent)], currency=currency)
    assert line.amount_minor == tax
    assert line.taxable_minor == taxable


def test_each_rate_has_a_line_on_the_same_sum_in_their_order() -> None:
    rates = [rate("5", "GST"), rate("9.975", "QST")]
    lines = tax_lines(10_000, rates=rates, currency="CAD")
    assert [(line.rate.name, line.amount_minor) for line in lines] == [
        ("GST", 500),
        ("QST", 998),
    ]
    assert tax_lines(10_000, rates=[], currency="CAD") == ()


@given(SUMS, PERCENTS, CURRENCIES)
def test_the_exact_tax_is_whole_picos_and_what_is_rounded(
    taxable: int, percent: Decimal, currency: str
) -> None:
    (line,) = tax_lines(taxable, rates=[rate(percent)], currency=currency)
    exact = picos_from_minor(taxable, currency) * Fraction(percent) / 100
    assert Fraction(line.exact_picos) == exact
    units = Fraction(taxable, 10 ** exponent(currency)) * Fraction(percent) / 100
    assert line.amount_minor == minor_from_units(units, currency)
    (back,) = tax_lines(-taxable, rates=[rate(percent)], currency=currency)
    assert back.exact_picos == -line.exact_picos
    assert back.amount_minor == -line.amount_minor
