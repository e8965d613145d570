"""Figures lose no digit: what is shown, read back, is the exact amount."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kit.money import decimal_from_picos, exponent, format_picos
from pages.figures import Amount, aligned, amount, count, places_of, rounded

PICOS = st.integers(-(10**24), 10**24)
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])


def read(shown: Amount) -> Decimal:
    """Read an amount as people do."""
    return Decimal((shown.plain + shown.fine).replace(",", ""))


@given(PICOS, CURRENCIES)
def test_an_amount_is_shown_exactly(picos: int, currency: str) -> None:
    shown = amount(picos, currency)

    assert read(shown) == Decimal(picos).scaleb(-12)
    assert shown.value == decimal_from_picos(picos)


@given(PICOS, CURRENCIES)
def test_plain_digits_are_those_of_the_minor_unit(picos: int, currency: str) -> None:
    decimals = amount(picos, currency).plain.partition(".")[2]

    assert len(decimals) == exponent(currency)


@given(st.lists(PICOS, min_size=1), CURRENCIES)
def test_amounts_of_a_column_have_equally_many_places(
    column: list[int], currency: str
) -> None:
    places = places_of((picos, currency) for picos in column)
    shown = [amount(picos, currency, places=places) for picos in column]
    texts = aligned([format_picos(picos) for picos in column], currency)

    assert shown == texts
    assert len({len((each.plain + each.fine).partition(".")[2]) for each in shown}) == 1
    assert sum(map(read, shown)) == Decimal(sum(column)).scaleb(-12)


@given(PICOS.filter(bool), CURRENCIES)
def test_something_is_never_shown_as_nothing(picos: int, currency: str) -> None:
    assert rounded(picos, currency).shown not in {"0.00 USD", "0 JPY", "0.000 KWD"}


def test_a_rounded_amount_says_what_it_stands_for() -> None:
    shown = rounded(1_234_005_000_000_000, "USD")

    assert (shown.shown, shown.is_rounded) == ("1,234.01 USD", True)
    assert (shown.exact.plain, shown.exact.fine) == ("1,234.00", "5")
    assert rounded(4_000_000, "USD").shown == "< 0.01 USD"
    assert rounded(-4_000_000, "USD").shown == "> -0.01 USD"
    assert not rounded(10**12, "USD").is_rounded


def test_a_currency_without_minor_units_keeps_its_point_with_the_fine_digits() -> None:
    shown = amount(1_500_500_000_000_000, "JPY")

    assert (shown.plain, shown.fine) == ("1,500", ".5")


def test_counts_have_thousands_separators() -> None:
    assert count(1234567) == "1,234,567"
