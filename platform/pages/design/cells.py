"""What stands in a cell of a table: for people, and for a file's machines. Pure.

A cell is made by the function that is named after what it holds. Amounts keep all their
digits; a table gives those of one column equally many. Zero, not known and not yet are
three different cells.
"""

import datetime as dt
import enum
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from kit.money import decimal_from_minor, decimal_from_picos, picos_from_minor
from kit.spreadsheet import said
from pages.design.badges import Badge
from pages.figures import amount, count

_MILLE = 1000


class Kind(enum.StrEnum):
    """How a column is set."""

    TEXT = "text"
    NUMBER = "number"
    """Right-aligned, with figures of one width."""
    UNIT = "unit"
    """A currency or the like, close to the number before it."""
    LONG = "long"
    """Text of any length: it takes the room that there is, and more lines."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `value` is what a file says, in full and without separators."""

    shown: str
    value: str
    fine: str = ""
    """Digits finer than the currency's minor unit."""
    picos: int | None = None
    currency: str = ""
    address: str = ""
    """Where the rows behind it are."""
    note: str = ""
    """A second line, or what stands beside a name."""
    badge: Badge | None = None
    share: int = 0
    """The length of a bar below it, per mille."""
    title: str = ""
    is_muted: bool = False
    kind: Kind = Kind.TEXT


def words(text: str, *, address: str = "", note: str = "") -> Cell:
    """Return a cell of text that people wrote."""
    return Cell(text, said(text), address=address, note=note)


def number(value: int, *, address: str = "", note: str = "", share: int = 0) -> Cell:
    """Return a cell of a whole number."""
    return Cell(count(value), f"{value}", address=address, note=note, share=share)


def money(
    picos: int, currency: str, *, address: str = "", note: str = "", share: int = 0
) -> Cell:
    """Return a cell of an exact amount; its currency stands in the column's heading."""
    exact = amount(picos, currency)
    return Cell(
        exact.plain,
        decimal_from_picos(picos),
        fine=exact.fine,
        picos=picos,
        currency=currency,
        address=address,
        note=note,
        share=share,
    )


def minor(
    value: int, currency: str, *, address: str = "", note: str = "", share: int = 0
) -> Cell:
    """Return a cell of an amount in minor units, as it is on invoices."""
    cell = money(
        picos_from_minor(value, currency),
        currency,
        address=address,
        note=note,
        share=share,
    )
    return replace(cell, value=decimal_from_minor(value, currency))


def unit(text: str) -> Cell:
    """Return a cell of a currency or another unit."""
    return Cell(text, text)


def percent(part: int, whole: int, *, address: str = "", note: str = "") -> Cell:
    """Return what part of a whole something is, to a tenth of a percent, half up."""
    text = percent_text(part, whole)
    if not text:
        return nothing("no base")
    return Cell(f"{text} %", text, address=address, note=note)


def percent_text(part: int, whole: int) -> str:
    """Return a share in percent with one decimal; empty where there is no base."""
    if not whole:
        return ""
    sign = "-" if (part < 0) != (whole < 0) and part else ""
    tenths = (2 * _MILLE * abs(part) + abs(whole)) // (2 * abs(whole))
    return f"{sign if tenths else ''}{tenths // 10:,}.{tenths % 10}"


def day(date: dt.date, *, address: str = "", note: str = "") -> Cell:
    """Return a cell of a day."""
    return Cell(f"{date:%Y-%m-%d}", f"{date}", address=address, note=note)


def month(date: dt.date, *, address: str = "", note: str = "") -> Cell:
    """Return a cell of a month, given any day of it."""
    return Cell(f"{date:%B %Y}", f"{date:%Y-%m}", address=address, note=note)


def instant(at: dt.datetime, *, address: str = "", note: str = "") -> Cell:
    """Return a cell of an instant, in UTC to the second."""
    utc = at.astimezone(dt.UTC)
    value = utc.isoformat().replace("+00:00", "Z")
    shown = f"{utc:%Y-%m-%d %H:%M:%S}"
    return Cell(shown, value, address=address, note=note, title=f"{shown} UTC")


def clock(at: dt.datetime, zone: str, *, address: str = "", note: str = "") -> Cell:
    """Return a cell of an instant on a tenant's clocks, to the second."""
    shown = f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
    exact = instant(at, address=address, note=note)
    return replace(exact, shown=shown, title=f"{shown} {zone}")


def instant_in(
    at: dt.datetime, zone: dt.tzinfo, *, address: str = "", note: str = ""
) -> Cell:
    """Return a cell of an instant of a tenant's, in its zone to the millisecond."""
    there = at.astimezone(zone)
    shown = f"{there:%Y-%m-%d %H:%M:%S}.{there.microsecond // 1000:03d}"
    return replace(instant(at, address=address, note=note), shown=shown)


def state(badge: Badge, *, address: str = "", note: str = "") -> Cell:
    """Return a cell of a state."""
    return Cell(badge.word, badge.word, address=address, note=note, badge=badge)


def nothing(why: str = "not reported") -> Cell:
    """Return a cell without a value, in the words that say why; empty in a file."""
    return Cell(why, "", is_muted=True)


def with_places(cell: Cell, places: int) -> Cell:
    """Return an amount with at least so many decimals; another cell as it is."""
    if cell.picos is None:
        return cell
    exact = amount(cell.picos, cell.currency, places=places)
    return replace(cell, shown=exact.plain, fine=exact.fine)
