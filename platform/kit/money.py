"""Money as integers: picos inside, minor units on invoices, text at the edges.

A pico is 10^-12 of a currency unit. A price per million tokens with at most six
decimals is a whole number of picos per token, so a charge is exact and nothing rounds
before the invoice line. What a period component rates to may lie between two picos: it
stays a fraction until that line. This is the only module that rounds, and `_half_up` is
the only place where it does.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

PICOS_PER_UNIT = 10**12
TOKENS_PER_QUOTE = 1_000_000
QUOTE_DECIMALS = 6
QUOTE_DIGITS_MAX = 15
_UNIT_DIGITS_MAX = 15
_AMOUNT = re.compile(rf"([0-9]{{1,{_UNIT_DIGITS_MAX}}})(?:\.([0-9]{{1,12}}))?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
_QUOTE = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_QUOTE_STEP = Decimal(1).scaleb(-QUOTE_DECIMALS)
_PICOS_PER_QUOTE_STEP: int = PICOS_PER_UNIT // 10**QUOTE_DECIMALS // TOKENS_PER_QUOTE

# ISO 4217 currencies whose minor unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


class AmountFormatError(ValueError):
    """A stated amount is not a plain decimal of at most twelve places."""


class PriceFormatError(ValueError):
    """A quoted price is not a plain decimal of at most six places."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: `picos` of `currency` (ISO 4217, upper case)."""

    picos: int
    currency: str

    def __str__(self) -> str:
        """Show the amount in its currency's minor unit, rounded for display."""
        return format_minor(minor_from_picos(self.picos, self.currency), self.currency)


def exponent(currency: str) -> int:
    """Return how many decimals the currency's minor unit has (2 for most)."""
    return _EXPONENTS.get(currency.upper(), 2)


def minor_from_picos(picos: int, currency: str) -> int:
    """Round picos half up (away from zero) to the currency's minor unit."""
    return _half_up(picos, _picos_per_minor(currency))


def minor_from_units(units: Fraction, currency: str) -> int:
    """Round an exact amount of currency units half up to the currency's minor unit."""
    return _half_up(units.numerator * 10 ** exponent(currency), units.denominator)


def whole_picos(units: Fraction) -> int:
    """Round an exact amount of currency units half up to whole picos."""
    return _half_up(units.numerator * PICOS_PER_UNIT, units.denominator)


def picos_from_minor(minor: int, currency: str) -> int:
    """Convert minor units to picos, exactly."""
    return minor * _picos_per_minor(currency)


def picos_per_token(quote: str | Decimal) -> int:
    """Turn a price per million tokens into whole picos per token.

    Raises `PriceFormatError` for a negative, malformed or huge quote, and for one finer
    than six decimals. Text is digits and a point: `1e3`, `1_000` and digits of other
    scripts are slips, though Python reads them.
    """
    if isinstance(quote, str) and not _QUOTE.fullmatch(quote):
        raise PriceFormatError(
            f"'{quote[:50]}' is not a price: write zero or more in digits, such as 2.50"
        )
    value = Decimal(quote)
    if not value.is_finite() or value < 0:
        raise PriceFormatError(f"'{quote}' is not a price: it must be zero or more")
    # Decimal works with 28 digits and would silently round a longer one.
    if value and value.adjusted() >= QUOTE_DIGITS_MAX:
        raise PriceFormatError(f"'{quote}' is too large for a price")
    rounded = value.quantize(_QUOTE_STEP)
    if rounded != value:
        raise PriceFormatError(f"'{quote}' has more than {QUOTE_DECIMALS} decimals")
    return int(rounded.scaleb(QUOTE_DECIMALS)) * _PICOS_PER_QUOTE_STEP


def picos_less(picos: int, percent: Decimal) -> int:
    """Return a price in picos less a percentage of 0 to 100, half up to whole picos."""
    off, whole = percent.as_integer_ratio()
    return _half_up(picos * (100 * whole - off), 100 * whole)


def picos_from_decimal(text: str) -> int:
    """Turn a plain decimal amount of currency units into picos, exactly.

    Raises `AmountFormatError` for what is no plain decimal of zero or more, is finer
    than a pico, or is too large to be kept.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise AmountFormatError(
            f"'{text[:50]}' is not an amount: give a decimal such as 250.00, of at most"
            f" {_UNIT_DIGITS_MAX} digits and 12 places"
        )
    whole, fraction = match.groups(default="")
    return int(whole) * PICOS_PER_UNIT + int(f"{fraction:0<12}")


def ungrouped(text: str) -> str:
    """Return a number as it is typed, less the commas between its thousands.

    Other commas stay, so that `1,50`, which somebody may mean as one and a half, is no
    number and never a hundred times as much.
    """
    typed = text.strip()
    return typed.replace(",", "") if _GROUPED.fullmatch(typed) else typed


def quote_per_million(picos: int) -> str:
    """Show picos per token as a price per million tokens, without trailing zeros."""
    whole, fraction = divmod(picos, 10**QUOTE_DECIMALS)
    text = f"{whole}.{fraction:0{QUOTE_DECIMALS}d}".rstrip("0")
    head, _, tail = text.partition(".")
    return f"{head}.{tail:0<2}"


def format_picos(picos: int) -> str:
    """Show an exact amount of currency units, e.g. `0.000123450000` as `0.00012345`."""
    sign = "-" if picos < 0 else ""
    whole, fraction = divmod(abs(picos), PICOS_PER_UNIT)
    tail = f"{fraction:012d}".rstrip("0")
    return f"{sign}{whole:,}.{tail:0<2}"


def decimal_from_picos(picos: int) -> str:
    """Render an exact amount as a plain decimal string for APIs, e.g. `1234.5`."""
    return format_picos(picos).replace(",", "")


def decimal_from_minor(minor: int, currency: str) -> str:
    """Render minor units as a plain decimal string, e.g. `1234.50`."""
    return format_minor(minor, currency).partition(" ")[0].replace(",", "")


def format_minor(minor: int, currency: str) -> str:
    """Show minor units with separators and the currency, e.g. `1,234.50 USD`."""
    places = exponent(currency)
    sign = "-" if minor < 0 else ""
    whole, fraction = divmod(abs(minor), 10**places)
    tail = f".{fraction:0{places}d}" if places else ""
    return f"{sign}{whole:,}{tail} {currency.upper()}"


def _picos_per_minor(currency: str) -> int:
    picos: int = PICOS_PER_UNIT // 10 ** exponent(currency)
    return picos


def _half_up(numerator: int, denominator: int) -> int:
    """Divide by a positive number, halves away from zero; integers only, so exact."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude
