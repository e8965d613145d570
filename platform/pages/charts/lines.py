"""Lines over slots: whether something rises. Pure.

At most four. Where nothing is known the line breaks; what is estimated or not over yet
is dashed, and an estimate may have a band from low to high. The axis starts at zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pages.charts.columns import (
    HEIGHT,
    LABELS_MAX,
    AxisLine,
    AxisName,
    Key,
    Slot,
)
from pages.charts.lengths import percent, pixels
from pages.charts.measure import Measure
from pages.charts.scale import span
from pages.charts.twin import Twin, twin
from pages.design.cells import Cell, words

LINES_MAX = 4
WIDTH = 10_000
"""Of the drawing's own units, which are stretched to the page."""
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A number for each slot, None where nothing is known; `shade` is 1 to 4."""

    name: str
    values: Sequence[int | None]
    shade: int = 1
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A range around an estimate."""

    name: str
    low: Sequence[int | None]
    high: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line's unbroken runs, as points of an SVG."""

    shade: int
    runs: list[str]
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """The strip of a slot, which says its values."""

    x: str
    middle: str
    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """The drawing, the sentence that tells what it shows, and its twin."""

    name: str
    title: str
    sentence: str
    unit: str
    lines: list[AxisLine]
    drawn: list[DrawnLine]
    band: str
    band_name: str
    reaches: list[Reach]
    slot_width: str
    plot_height: int
    plot_width: int
    names: list[AxisName]
    legend: list[Key]
    twin: Twin


def lines(
    name: str,
    title: str,
    measure: Measure,
    *,
    slots: Sequence[Slot],
    series: Sequence[Line],
    band: Band | None = None,
    axis: str = "Day",
    sentence: str = "",
) -> Lines:
    """Draw lines; raises `ValueError` where there are too many to tell apart."""
    if len(series) > LINES_MAX:
        raise ValueError(f"{len(series)} lines: take the largest {LINES_MAX}")
    edges = [band.low, band.high] if band else []
    known = [
        value
        for values in (*(line.values for line in series), *edges)
        for value in values
        if value is not None
    ]
    ticks = span(min(known, default=0), max(known, default=0))
    plot = _Plot(ticks[0], ticks[-1], len(slots))
    step = -(-max(len(slots), 1) // LABELS_MAX)
    return Lines(
        name=name,
        title=title,
        sentence=sentence,
        unit=measure.unit,
        lines=[
            AxisLine(pixels(plot.y(tick) * _TENTHS), label, tick == 0)
            for tick, label in zip(ticks, measure.labels(ticks), strict=True)
        ],
        drawn=[
            drawn for line in series for drawn in _drawn(plot, line, _running(slots))
        ],
        band=plot.band(band) if band else "",
        band_name=band.name if band else "",
        reaches=_reaches(slots, series, band, measure),
        slot_width=percent(1, len(slots)),
        plot_height=HEIGHT,
        plot_width=WIDTH,
        names=[
            AxisName(
                percent(2 * at + 1, 2 * len(slots)),
                slots[at].label,
                slots[at].is_landmark,
                len(slots) > LABELS_MAX // 2 and at // step % 2 > 0,
            )
            for at in range(0, len(slots), step)
        ],
        legend=[Key(line.name, line.shade, "") for line in series],
        twin=_twin(title, axis, slots, series, band, measure),
    )


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where a value of a slot stands."""

    low: int
    high: int
    slots: int

    def y(self, value: int) -> int:
        return HEIGHT - (value - self.low) * HEIGHT // (self.high - self.low)

    def point(self, at: int, value: int) -> str:
        return f"{(2 * at + 1) * WIDTH // (2 * self.slots)},{self.y(value)}"

    def runs(self, values: Sequence[int | None]) -> list[str]:
        """Return the points of each run of known values."""
        runs: list[list[str]] = [[]]
        for at, value in enumerate(values):
            if value is None:
                runs.append([])
            else:
                runs[-1].append(self.point(at, value))
        return [_whole(run) for run in runs if run]

    def band(self, band: Band) -> str:
        """Return the outline of a band: along its top and back below."""
        top = [self.point(at, v) for at, v in enumerate(band.high) if v is not None]
        low = [self.point(at, v) for at, v in enumerate(band.low) if v is not None]
        return " ".join([*top, *reversed(low)])


def _running(slots: Sequence[Slot]) -> int:
    """Return the first slot that is not over."""
    return next((at for at, slot in enumerate(slots) if slot.is_running), len(slots))


def _drawn(plot: _Plot, line: Line, running: int) -> list[DrawnLine]:
    """Return a line whole up to the running slot, and dashed from there."""
    if line.is_estimate or running >= len(line.values):
        return [DrawnLine(line.shade, plot.runs(line.values), line.is_estimate)]
    over = [value if at < running else None for at, value in enumerate(line.values)]
    rest = [
        value if at >= running - 1 else None for at, value in enumerate(line.values)
    ]
    return [
        DrawnLine(line.shade, plot.runs(over), is_estimate=False),
        DrawnLine(line.shade, plot.runs(rest), is_estimate=True),
    ]


def _whole(run: list[str]) -> str:
    """Return a run's points; a single one is a stroke of no length, which shows."""
    return " ".join(run if len(run) > 1 else run * 2)


def _reaches(
    slots: Sequence[Slot],
    series: Sequence[Line],
    band: Band | None,
    measure: Measure,
) -> list[Reach]:
    found = []
    for at, slot in enumerate(slots):
        said = [f"{slot.name}, so far" if slot.is_running else slot.name]
        for line in series:
            value = line.values[at]
            if value is not None:
                said.append(f"{line.name}: {measure.text(value)}")
        if band is not None:
            low, high = band.low[at], band.high[at]
            if low is not None and high is not None:
                said.append(f"{band.name}: {measure.text(low)} to {measure.text(high)}")
        found.append(
            Reach(
                percent(at, len(slots)),
                percent(2 * at + 1, 2 * len(slots)),
                "\n".join(said if len(said) > 1 else [*said, "no data"]),
            )
        )
    return found


def _twin(
    title: str,
    axis: str,
    slots: Sequence[Slot],
    series: Sequence[Line],
    band: Band | None,
    measure: Measure,
) -> Twin:
    headings = [axis, *(line.name for line in series)]
    columns = [line.values for line in series]
    if band is not None:
        headings += [f"{band.name}, low", f"{band.name}, high"]
        columns += [band.low, band.high]
    rows: list[list[Cell]] = [
        [
            words(f"{slot.name}, so far" if slot.is_running else slot.name),
            *(measure.cell(values[at]) for values in columns),
        ]
        for at, slot in enumerate(slots)
    ]
    return twin(title, headings, rows)
