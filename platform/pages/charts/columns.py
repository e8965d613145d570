"""Stacked columns over months or other slots; what lowers a sum hangs below zero. Pure.

For how much each month, and of what. At most four series and the rest as one: who calls
has added the rest up. The largest series should be the first, at the bottom.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pages.charts.lengths import percent, pixels
from pages.charts.measure import Measure
from pages.charts.scale import span
from pages.charts.twin import Twin, twin
from pages.design.cells import Cell, words

HEIGHT = 208
"""Of the plot, in pixels."""
LABELS_MAX = 13
SERIES_MAX = 5
_TENTHS = 10
_GAP = 10
"""Between two segments, and the least height of what there is: in tenths."""
_LEFT, _WIDTH = 16, 68
"""Where a column begins in its slot and how wide it is, in hundredths of the slot."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place on the axis: its full name, and what stands below it."""

    name: str
    label: str
    is_running: bool = False
    """Not over yet: its figures may still grow."""
    is_landmark: bool = False
    """Its label is set in semibold, as the first month of a year's is."""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A number for each slot; a `shade` of 1 to 4 stays with its subject, 0 is others.

    None is where nothing is known, which is not zero.
    """

    name: str
    values: Sequence[int | None]
    shade: int = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One series within a column."""

    shade: int
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """One slot as it is drawn, and all that is to be said of it."""

    left: str
    x: str
    segments: list[Segment]
    text: str
    is_running: bool
    address: str


@dataclass(frozen=True, slots=True)
class AxisLine:
    """A line across the plot, at a round number."""

    y: str
    label: str
    is_zero: bool


@dataclass(frozen=True, slots=True)
class AxisName:
    """A name below the axis; a minor one gives way on a narrow page."""

    x: str
    text: str
    is_landmark: bool
    is_minor: bool


@dataclass(frozen=True, slots=True)
class Key:
    """What a shade means, and how much of it there is."""

    name: str
    shade: int
    total: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The drawing, the sentence that tells what it shows, and its twin."""

    name: str
    title: str
    sentence: str
    unit: str
    lines: list[AxisLine]
    columns: list[Column]
    slot_width: str
    column_width: str
    plot_height: int
    zero: str
    names: list[AxisName]
    legend: list[Key]
    has_running: bool
    twin: Twin


def columns(
    name: str,
    title: str,
    measure: Measure,
    *,
    slots: Sequence[Slot],
    series: Sequence[Series],
    axis: str = "Month",
    sentence: str = "",
) -> Columns:
    """Draw series over slots; raises `ValueError` where there are too many to tell."""
    if len(series) > SERIES_MAX:
        raise ValueError(f"{len(series)} series: add the smallest up to one")
    above = [sum(max(n or 0, 0) for n in column) for column in _across(series, slots)]
    below = [sum(min(n or 0, 0) for n in column) for column in _across(series, slots)]
    ticks = span(min(below, default=0), max(above, default=0))
    scale = _Scale(ticks[0], ticks[-1])
    sums = [a + b for a, b in zip(above, below, strict=True)]
    step = -(-len(slots) // LABELS_MAX)
    return Columns(
        name=name,
        title=title,
        sentence=sentence or _sentence(measure, slots, sums),
        unit=measure.unit,
        lines=[
            AxisLine(pixels(scale.y(tick)), label, tick == 0)
            for tick, label in zip(ticks, measure.labels(ticks), strict=True)
        ],
        columns=[
            _column(at, slot, series, measure, scale, len(slots))
            for at, slot in enumerate(slots)
        ],
        slot_width=percent(1, len(slots)),
        column_width=percent(_WIDTH, 100 * len(slots)),
        plot_height=HEIGHT,
        zero=pixels(scale.y(0)),
        names=[
            AxisName(
                percent(2 * at + 1, 2 * len(slots)),
                slots[at].label,
                slots[at].is_landmark,
                len(slots) > LABELS_MAX // 2 and at // step % 2 > 0,
            )
            for at in range(0, len(slots), step)
        ],
        legend=[
            Key(each.name, each.shade, measure.brief(sum(n or 0 for n in each.values)))
            for each in series
        ],
        has_running=any(slot.is_running for slot in slots),
        twin=_twin(title, axis, measure, slots, series),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a number stands, in tenths of a pixel from the top."""

    low: int
    high: int

    def y(self, number: int) -> int:
        """Return how far below the top a number stands."""
        whole = HEIGHT * _TENTHS
        return whole - (number - self.low) * whole // (self.high - self.low)


def _across(series: Sequence[Series], slots: Sequence[Slot]) -> list[list[int | None]]:
    return [[each.values[at] for each in series] for at in range(len(slots))]


def _column(
    at: int,
    slot: Slot,
    series: Sequence[Series],
    measure: Measure,
    scale: _Scale,
    slots: int,
) -> Column:
    values = [each.values[at] for each in series]
    known = [value for value in values if value is not None]
    head = measure.text(sum(known)) if known else "no data"
    shown = [
        f"{each.name}: {measure.text(value)}"
        for each, value in zip(series, values, strict=True)
        if value
    ]
    name = f"{slot.name}, so far" if slot.is_running else slot.name
    return Column(
        left=percent(at, slots),
        x=percent(100 * at + _LEFT, 100 * slots),
        segments=[
            *_stacked(series, values, scale, sign=1),
            *_stacked(series, values, scale, sign=-1),
        ],
        text="\n".join([f"{name}: {head}", *(shown if len(series) > 1 else ())]),
        is_running=slot.is_running,
        address=slot.address,
    )


def _stacked(
    series: Sequence[Series], values: list[int | None], scale: _Scale, *, sign: int
) -> list[Segment]:
    """Return the segments on one side of zero, from there outwards."""
    segments: list[Segment] = []
    reached, total = scale.y(0), 0
    for each, value in zip(series, values, strict=True):
        if value is None or value * sign <= 0:
            continue
        total += value
        # What there is must be seen, however little.
        edge = min(scale.y(total), reached - _GAP) if sign > 0 else 0
        edge = max(scale.y(total), reached + _GAP) if sign < 0 else edge
        height = abs(edge - reached)
        gap = _GAP if segments and height > 3 * _GAP else 0
        top = edge if sign > 0 else reached + gap
        segments.append(Segment(each.shade, pixels(max(top, 0)), pixels(height - gap)))
        reached = edge
    return segments


def _sentence(measure: Measure, slots: Sequence[Slot], sums: list[int]) -> str:
    if not slots:
        return "There is nothing to draw yet."
    peak = max(range(len(sums)), key=sums.__getitem__)
    return (
        f"{measure.brief(sum(sums))} from {slots[0].name} to {slots[-1].name}. "
        f"Highest {slots[peak].name}: {measure.brief(sums[peak])}."
    )


def _twin(
    title: str,
    axis: str,
    measure: Measure,
    slots: Sequence[Slot],
    series: Sequence[Series],
) -> Twin:
    def row(
        name: str, values: Sequence[int | None], *, address: str = ""
    ) -> list[Cell]:
        known = [value for value in values if value is not None]
        total = sum(known) if known else None
        return [
            words(name, address=address),
            *map(measure.cell, values),
            measure.cell(total),
        ]

    rows = [
        row(
            f"{slot.name}, so far" if slot.is_running else slot.name,
            values,
            address=slot.address,
        )
        for slot, values in zip(slots, _across(series, slots), strict=True)
    ]
    sums = row("Total", [sum(n or 0 for n in each.values) for each in series])
    headings = [axis, *(each.name for each in series), "Total"]
    if len(series) == 1:
        rows, sums, headings = [each[:2] for each in rows], sums[:2], headings[:2]
    return twin(title, headings, rows, [sums])
