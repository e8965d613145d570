"""Numbers as people read them, without losing a digit. Pure.

An exact amount shows all its digits: those of the currency's minor unit plainly, the
finer ones beside them in a lighter tone. All amounts of a column have the same number
of places, so that points align and a column visibly adds up. Nothing here rounds except
`kit.money`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kit.money import (
    decimal_from_picos,
    exponent,
    format_minor,
    format_picos,
    minor_from_picos,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact amount: `value` for machines, `plain` and `fine` digits for people."""

    value: str
    plain: str
    fine: str
    currency: str


@dataclass(frozen=True, slots=True)
class RoundedAmount:
    """An amount at a glance, and the exact one it stands for."""

    shown: str
    exact: Amount
    is_rounded: bool


def count(number: int) -> str:
    """Show a whole number with thousands separators."""
    return f"{number:,}"


def places_of(amounts: Iterable[tuple[int, str]]) -> int:
    """Return how many decimals the finest of these (picos, currency) needs."""
    return max(
        (max(exponent(currency), len(_decimals(picos))) for picos, currency in amounts),
        default=0,
    )


def amount(picos: int, currency: str, *, places: int | None = None) -> Amount:
    """Show an exact amount, with at least `places` decimals."""
    minor_places = exponent(currency)
    decimals = _decimals(picos).ljust(places or minor_places, "0")
    decimals = decimals.ljust(minor_places, "0")
    plain, fine = decimals[:minor_places], decimals[minor_places:]
    whole = format_picos(picos).partition(".")[0]
    if minor_places == 0 and fine:
        fine = f".{fine}"
    return Amount(
        value=decimal_from_picos(picos),
        plain=f"{whole}.{plain}" if plain else whole,
        fine=fine,
        currency=currency,
    )


def rounded(picos: int, currency: str) -> RoundedAmount:
    """Show an amount in its currency's minor unit; a trifle is never shown as zero."""
    minor = minor_from_picos(picos, currency)
    if minor == 0 and picos != 0:
        smallest = format_minor(1, currency)
        shown = f"< {smallest}" if picos > 0 else f"> -{smallest}"
    else:
        shown = format_minor(minor, currency)
    exact = amount(picos, currency)
    return RoundedAmount(shown=shown, exact=exact, is_rounded=bool(exact.fine))


def _decimals(picos: int) -> str:
    return format_picos(picos).partition(".")[2].rstrip("0")
