"""Stacked columns over time, drawn on the server. Pure.

Along the page all lengths are shares of its width and upwards pixels, so that the
drawing fits any screen while its letters keep their size. A chart starts at zero, shows
hours and days without use as such, and marks those that are not over. Its twin is
`twin`, which holds the same numbers in the same order.
"""

from dataclasses import dataclass

from pages.charts.scale import count_labels, money_labels, ticks
from pages.figures import count, exact
from pages.finance.buckets import Bucket, Mark
from pages.finance.choice import Each, Show
from pages.finance.stack import Stack

HEIGHT = 208
"""Of the plot, in pixels."""
_TENTHS = 10
_HAIRLINE = 10
_GAP = 10
"""Between two segments, and the least height of a column with use: in tenths."""
_COLUMN_LEFT, _COLUMN = 12, 76
"""Where a column begins in its slot and how wide it is, in hundredths of the slot."""
_EDGE = 6
"""So near either end, in hundredths of the plot, a name would stick out."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One series within a column."""

    shade: int
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """One hour or day: where it stands, of what it is made, what to say of it."""

    left: str
    x: str
    segments: list[Segment]
    top: str
    height: str
    text: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line across the plot, at a round number."""

    y: str
    label: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name under the axis."""

    x: str
    anchor: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Key:
    """What a shade means, and how much of it there is."""

    name: str
    shade: int
    total: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The drawing of one stack, and a sentence that tells what it shows."""

    title: str
    sentence: str
    unit: str
    lines: list[Line]
    columns: list[Column]
    slot_width: str
    column_width: str
    plot_height: int
    names: list[Name]
    legend: list[Key]
    has_running: bool


def chart(stack: Stack) -> Chart:
    """Draw a stack."""
    slots = stack.axis.slots
    drawn = [
        sum(max(series.values[number], 0) for series in stack.series)
        for number in range(len(stack.axis.buckets))
    ]
    numbers = ticks(max(drawn, default=0))
    labels = (
        money_labels(numbers, stack.currency)
        if stack.show is Show.SPEND
        else count_labels(numbers)
    )
    return Chart(
        title=title(stack),
        sentence=_sentence(stack),
        unit=stack.currency or stack.show.capitalize(),
        lines=[
            Line(_pixels(HEIGHT * _TENTHS - _tenths(number, numbers[-1])), label)
            for number, label in zip(numbers, labels, strict=True)
        ],
        columns=[
            _column(stack, number, bucket, numbers[-1])
            for number, bucket in enumerate(stack.axis.buckets)
        ],
        slot_width=_percent(100, 100 * slots),
        column_width=_percent(_COLUMN, 100 * slots),
        plot_height=HEIGHT,
        names=[_name(mark, slots) for mark in stack.axis.marks],
        legend=[
            Key(series.name, series.shade, number_text(series.total, stack))
            for series in stack.series
        ],
        has_running=any(bucket.is_running for bucket in stack.axis.buckets),
    )


def title(stack: Stack) -> str:
    """Return what a stack measures, such as `Spend in USD by hour, by model`."""
    measured = f"{stack.show.capitalize()}"
    if stack.currency:
        measured += f" in {stack.currency}"
    return f"{measured} by {stack.axis.each}, by {stack.by.noun}"


def number_text(number: int, stack: Stack) -> str:
    """Show a number of a stack exactly, with its currency."""
    return exact(number, stack.currency) if stack.currency else count(number)


def bucket_text(bucket: Bucket) -> str:
    """Name a bucket, and say when it is not over."""
    return f"{bucket.name}, so far" if bucket.is_running else bucket.name


def _sentence(stack: Stack) -> str:
    buckets, totals = stack.axis.buckets, stack.totals
    if not buckets:
        return "The range has not begun."
    peak = max(range(len(buckets)), key=totals.__getitem__)
    zone = " UTC" if stack.axis.each is Each.HOUR else ""
    return (
        f"{number_text(sum(totals), stack)} from {buckets[0].name} to "
        f"{buckets[-1].name}{zone}. Highest {stack.axis.each} "
        f"{buckets[peak].name}: {number_text(totals[peak], stack)}."
    )


def _column(stack: Stack, number: int, bucket: Bucket, top: int) -> Column:
    slots = stack.axis.slots
    segments, reached = _segments(stack, number, top)
    shown = [
        f"{series.name}: {number_text(series.values[number], stack)}"
        for series in stack.series
        if series.values[number]
    ]
    head = f"{bucket_text(bucket)}: {number_text(stack.totals[number], stack)}"
    return Column(
        left=_percent(100 * number, 100 * slots),
        x=_percent(100 * number + _COLUMN_LEFT, 100 * slots),
        segments=segments,
        top=_pixels(HEIGHT * _TENTHS - reached),
        height=_pixels(reached),
        text="\n".join([head, *(shown if len(stack.series) > 1 else ())]),
        is_running=bucket.is_running,
    )


def _segments(stack: Stack, number: int, top: int) -> tuple[list[Segment], int]:
    """Return the segments of a column from the bottom up, and its height in tenths."""
    segments: list[Segment] = []
    below = value = 0
    for series in stack.series:
        value += max(series.values[number], 0)
        above = _tenths(value, top)
        if value and not segments:
            # What there is must be seen, however little.
            above = max(above, _HAIRLINE)
        height = above - below
        if height <= 0:
            continue
        gap = _GAP if segments and height > 3 * _GAP else 0
        segments.append(
            Segment(
                series.shade,
                _pixels(HEIGHT * _TENTHS - above),
                _pixels(height - gap),
            )
        )
        below = above
    return segments, below


def _name(mark: Mark, slots: int) -> Name:
    """Place a name at the middle of its slot, or within the plot at either end."""
    left, whole = 100 * mark.slot, 100 * slots
    if left + 50 < whole * _EDGE // 100:
        return Name(_percent(left + _COLUMN_LEFT, whole), "start", mark)
    if left + 50 > whole - whole * _EDGE // 100:
        return Name(_percent(left + _COLUMN_LEFT + _COLUMN, whole), "end", mark)
    return Name(_percent(left + 50, whole), "middle", mark)


def _tenths(number: int, top: int) -> int:
    """Return how high a number stands, in tenths of a pixel."""
    return number * HEIGHT * _TENTHS // top


def _pixels(tenths: int) -> str:
    return f"{tenths // _TENTHS}.{tenths % _TENTHS}"


def _percent(part: int, whole: int) -> str:
    thousandths = part * 100_000 // whole
    return f"{thousandths // 1000}.{thousandths % 1000:03d}%"
