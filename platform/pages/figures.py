"""Numbers as people read them, without losing a digit. Pure.

An exact amount shows all its digits: those of the currency's minor unit plainly, the
finer ones beside them in a lighter tone. All amounts of a column have the same number
of places, so that points align and a column visibly adds up. Nothing here rounds except
`kit.money`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kit.money import exponent, format_minor, format_picos, minor_from_picos


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
        (_places(format_picos(picos), name) for picos, name in amounts), default=0
    )


def amount(picos: int, currency: str, *, places: int = 0) -> Amount:
    """Show an exact amount, with at least `places` decimals."""
    return _split(format_picos(picos), currency, places)


def exact(picos: int, currency: str) -> str:
    """Show an exact amount and its currency as plain text."""
    shown = amount(picos, currency)
    return f"{shown.plain}{shown.fine} {currency}"


def aligned(texts: Sequence[str], currency: str) -> list[Amount]:
    """Show the amounts of a column, given as exact texts such as `1,234.5`."""
    places = max((_places(text, currency) for text in texts), default=0)
    return [_split(text, currency, places) for text in texts]


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


def _split(text: str, currency: str, places: int) -> Amount:
    whole, _, decimals = text.partition(".")
    minor_places = exponent(currency)
    padded = decimals.rstrip("0").ljust(max(places, minor_places), "0")
    plain, fine = padded[:minor_places], padded[minor_places:]
    if fine and not plain:
        fine = f".{fine}"
    return Amount(
        value=text.replace(",", ""),
        plain=f"{whole}.{plain}" if plain else whole,
        fine=fine,
        currency=currency,
    )


def _places(text: str, currency: str) -> int:
    return max(len(text.partition(".")[2].rstrip("0")), exponent(currency))
