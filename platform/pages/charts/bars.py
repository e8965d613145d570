"""Horizontal bars that start at zero, the value at the end of each. Pure.

For which has most, and, with a gap named between two bars, for what is lost on the way
from metered to collected. Bars are drawn in the order given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pages.charts.lengths import seen
from pages.charts.measure import Measure
from pages.charts.twin import Twin, twin
from pages.design.cells import Cell, words


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between a bar and the next: how much, in words why, and where it is."""

    value: int
    why: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A name and its value; `address` leads to the rows behind it."""

    name: str
    value: int
    address: str = ""
    note: str = ""
    gaps: Sequence[Gap] = ()
    """Between this bar and the next one."""


@dataclass(frozen=True, slots=True)
class DrawnGap:
    """A gap as it is shown."""

    text: str
    why: str
    address: str


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """A bar as it is shown."""

    name: str
    width: str
    text: str
    exact: str
    address: str
    note: str
    gaps: list[DrawnGap]


@dataclass(frozen=True, slots=True)
class Bars:
    """The drawing, the sentence that tells what it shows, and its twin."""

    name: str
    title: str
    sentence: str
    bars: list[DrawnBar]
    twin: Twin


def bars(
    name: str,
    title: str,
    measure: Measure,
    some: Sequence[Bar],
    *,
    heading: str,
    sentence: str = "",
) -> Bars:
    """Draw bars; `heading` is what their names are, in the twin."""
    longest = max((bar.value for bar in some), default=0)
    return Bars(
        name=name,
        title=title,
        sentence=sentence,
        bars=[_drawn(bar, longest, measure) for bar in some],
        twin=twin(title, [heading, measure.unit], list(_rows(some, measure))),
    )


def _drawn(bar: Bar, longest: int, measure: Measure) -> DrawnBar:
    return DrawnBar(
        name=bar.name,
        width=seen(bar.value, longest),
        text=measure.brief(bar.value),
        exact=measure.text(bar.value),
        address=bar.address,
        note=bar.note,
        gaps=[
            DrawnGap(measure.brief(gap.value), gap.why, gap.address) for gap in bar.gaps
        ],
    )


def _rows(some: Sequence[Bar], measure: Measure) -> list[list[Cell]]:
    return [
        row
        for bar in some
        for row in (
            [words(bar.name, address=bar.address), measure.cell(bar.value)],
            *(
                [words(gap.why, address=gap.address), measure.cell(gap.value)]
                for gap in bar.gaps
            ),
        )
    ]
