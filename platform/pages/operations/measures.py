"""Durations and shares of the live pages, as people read them. Pure."""

from pages.design.cells import Cell, nothing
from pages.design.tiles import Tile, missing_tile

_MS = 1000
_SECOND = 1_000_000
# From here on tenths of a millisecond say nothing.
_TEN_MS = 10 * _MS


def duration(us: int) -> str:
    """Return microseconds in the unit that reads best, with two or three digits."""
    if us >= _SECOND:
        return f"{us // (_SECOND // 100) / 100:.2f} s"
    if us >= _TEN_MS:
        return f"{us // _MS} ms"
    return f"{us // (_MS // 10) / 10:.1f} ms"


def milliseconds(us: int) -> str:
    """Return microseconds in milliseconds for a file, with every digit."""
    whole, rest = divmod(us, _MS)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def duration_cell(us: int | None) -> Cell:
    """Return a duration, in milliseconds in a file; nobody may have measured one."""
    if us is None:
        return nothing("none")
    return Cell(duration(us), milliseconds(us))


def percent_cell(percent: int | None) -> Cell:
    """Return a share with a bar; there may be none, or nobody who tells it."""
    if percent is None:
        return nothing("none")
    return Cell(f"{percent} %", f"{percent}", share=percent * 10)


def rate_cell(shown: str) -> Cell:
    """Return a rate a second, as `Traffic` says it."""
    return Cell(shown, shown.replace(",", ""))


def duration_tile(label: str, us: int | None, *, note: str, address: str = "") -> Tile:
    """Return the tile of a duration; without a stream in the minute there is none."""
    if us is None:
        return missing_tile(label, "no streams", note=note, address=address)
    shown, unit = duration(us).split(" ")
    return Tile(label, shown, unit=unit, note=note, address=address)
