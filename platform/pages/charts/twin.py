"""The table twin of any chart: the same figures in the same order, in full. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pages.design.cells import Cell, Kind, with_places
from pages.figures import places_of


@dataclass(frozen=True, slots=True)
class Twin:
    """A table: its first column names, all others are figures."""

    caption: str
    headings: list[str]
    rows: list[list[Cell]]
    totals: list[list[Cell]]


def twin(
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    totals: Sequence[Sequence[Cell]] = (),
) -> Twin:
    """Lay figures out; amounts of one column have equally many places."""
    lines = [[_set(cell, at) for at, cell in enumerate(row)] for row in rows]
    sums = [[_set(cell, at) for at, cell in enumerate(row)] for row in totals]
    for at in range(len(headings)):
        cells = [row[at] for row in (*lines, *sums)]
        places = places_of(
            (cell.picos, cell.currency) for cell in cells if cell.picos is not None
        )
        for row in (*lines, *sums):
            row[at] = with_places(row[at], places)
    return Twin(caption, list(headings), lines, sums)


def _set(cell: Cell, at: int) -> Cell:
    return replace(cell, kind=Kind.NUMBER) if at else cell
