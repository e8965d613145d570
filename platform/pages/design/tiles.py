"""Tiles: a few figures at a glance, each with its scope and its way to the rows. Pure.

An amount at a glance is rounded to its minor unit and says what it exactly is.
"""

from dataclasses import dataclass

from kit.money import picos_from_minor
from pages.design.badges import Badge
from pages.design.cells import percent_text
from pages.figures import Amount, count, rounded


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: what it is, how it is shown, where its rows are."""

    label: str
    shown: str
    unit: str = ""
    exact: Amount | None = None
    """The amount in full, where `shown` is rounded."""
    address: str = ""
    note: str = ""
    """Its scope, or how it compares."""
    badge: Badge | None = None
    is_missing: bool = False


def money_tile(
    label: str,
    picos: int,
    currency: str,
    *,
    address: str = "",
    note: str = "",
    badge: Badge | None = None,
) -> Tile:
    """Return the tile of an exact amount."""
    found = rounded(picos, currency)
    return Tile(
        label,
        found.shown.removesuffix(f" {currency}"),
        unit=currency,
        exact=found.exact if found.is_rounded else None,
        address=address,
        note=note,
        badge=badge,
    )


def minor_tile(
    label: str,
    minor: int,
    currency: str,
    *,
    address: str = "",
    note: str = "",
    badge: Badge | None = None,
) -> Tile:
    """Return the tile of an amount in minor units."""
    picos = picos_from_minor(minor, currency)
    return money_tile(label, picos, currency, address=address, note=note, badge=badge)


def number_tile(
    label: str,
    number: int,
    *,
    unit: str = "",
    address: str = "",
    note: str = "",
    badge: Badge | None = None,
) -> Tile:
    """Return the tile of a count."""
    return Tile(
        label, count(number), unit=unit, address=address, note=note, badge=badge
    )


def percent_tile(
    label: str, part: int, whole: int, *, address: str = "", note: str = ""
) -> Tile:
    """Return the tile of a share; without a base it says so."""
    text = percent_text(part, whole)
    if not text:
        return missing_tile(label, "no base", address=address, note=note)
    return Tile(label, text, unit="%", address=address, note=note)


def missing_tile(
    label: str, why: str = "not yet", *, address: str = "", note: str = ""
) -> Tile:
    """Return the tile of a figure that is not there, in words: never a zero."""
    return Tile(label, why, address=address, note=note, is_missing=True)
