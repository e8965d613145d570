"""The time axis of a chart: every hour or day of a range, used or not. Pure.

Buckets run up to now; the axis runs to the range's end, so that a month begun looks
like one. What lies at or after the instant to which usage is complete is running: its
figures may still grow. Hours are UTC's, days those of the report.
"""

import datetime as dt
from dataclasses import dataclass

from pages.finance.choice import ONE_DAY, ONE_HOUR, Each

_DAY_MARKS_MAX = 8
# Up to so many hours, a mark every so many of them; on a narrow page every other one.
_HOUR_STEPS = ((26, 3), (74, 12))


@dataclass(frozen=True, slots=True)
class Bucket:
    """An hour or a day: `key` is what a row of the report carries."""

    key: dt.datetime | dt.date
    name: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A name under the axis, at a slot; a minor one gives way on a narrow page."""

    slot: int
    text: str
    is_minor: bool
    is_day: bool


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The buckets of a range up to now, and where in it names stand."""

    each: Each
    buckets: list[Bucket]
    slots: int
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, and the day that it is for the reader."""

    at: dt.datetime
    date: dt.date


def days(
    first: dt.date, last: dt.date, *, now: Moment, complete_to: Moment
) -> TimeAxis:
    """Return the days of a range, both included, that have begun."""
    dates = [first + ONE_DAY * number for number in range((last - first).days + 1)]
    step = -(-len(dates) // _DAY_MARKS_MAX)
    return TimeAxis(
        each=Each.DAY,
        buckets=[
            Bucket(date, f"{date}", date >= complete_to.date)
            for date in dates
            if date <= now.date
        ],
        slots=len(dates),
        marks=[
            Mark(slot, f"{dates[slot]}", slot // step % 3 > 0, is_day=False)
            for slot in range(0, len(dates), step)
        ],
    )


def hours(
    start: dt.datetime, end: dt.datetime, *, now: Moment, complete_to: Moment
) -> TimeAxis:
    """Return the hours of a range that have begun; the first may be a part of one."""
    first = start.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    count = -(-(end - first) // ONE_HOUR)
    instants = [first + ONE_HOUR * number for number in range(count)]
    return TimeAxis(
        each=Each.HOUR,
        buckets=[
            Bucket(
                instant,
                f"{max(instant, start):%Y-%m-%d %H:%M}",
                instant + ONE_HOUR > complete_to.at,
            )
            for instant in instants
            if instant <= now.at
        ],
        slots=count,
        marks=_hour_marks(instants),
    )


def _hour_marks(instants: list[dt.datetime]) -> list[Mark]:
    step = next((step for most, step in _HOUR_STEPS if len(instants) <= most), 24)
    return [
        Mark(
            slot,
            f"{instant:%Y-%m-%d}" if instant.hour == 0 else f"{instant:%H:%M}",
            is_minor=_is_minor(instant, step),
            is_day=instant.hour == 0,
        )
        for slot, instant in enumerate(instants)
        if instant.hour % step == 0
    ]


def _is_minor(instant: dt.datetime, step: int) -> bool:
    if step < 24:
        return bool(instant.hour % (2 * step))
    return instant.toordinal() % 3 > 0
