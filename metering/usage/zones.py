"""From a tenant's time zone to its billing days, and the periods they lie in. Pure.

A billing day runs from the first instant of its date to the first instant of the next
date that has any. So a day has 23, 24 or 25 hours, and a date that a zone skips has no
day. A day keeps the zone and the period of the day before it, except where a period
ends: there a new zone and a new day of the month for periods take effect, and that
first day is longer or shorter. Days therefore always join exactly, and so do periods.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from metering.usage.spans import next_start, start_of

ONE_DAY = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Day:
    """One billing day, half-open in UTC instants; its period, half-open in dates."""

    date: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime
    zone: str
    period_start: dt.date
    period_end: dt.date


def day_start(date: dt.date, zone: str) -> dt.datetime:
    """Return the first instant of a date in a zone.

    Where clocks skip midnight it is the instant of the change, where they repeat it the
    first of the two: both are what `fold=0` means.
    """
    local = dt.datetime.combine(date, dt.time(), tzinfo=ZoneInfo(zone))
    return local.astimezone(dt.UTC)


def date_at(instant: dt.datetime, zone: str) -> dt.date:
    """Return the date that a zone's clocks show at an instant."""
    return instant.astimezone(ZoneInfo(zone)).date()


def first_day(instant: dt.datetime, zone: str, period_day: int = 1) -> Day:
    """Return the day that an instant falls on, for a tenant that has no days yet.

    Its period begins where it would have, had the tenant been there.
    """
    date = date_at(instant, zone)
    start = start_of(date, period_day)
    starts_at = day_start(date, zone)
    before = date - ONE_DAY
    return next(
        days_after(
            Day(
                before, starts_at, starts_at, zone, start, next_start(date, period_day)
            ),
            zone,
            period_day,
        )
    )


def days_after(last: Day, next_zone: str, next_period_day: int = 1) -> Iterator[Day]:
    """Yield the days that follow a day, endlessly.

    `next_zone` and `next_period_day` take effect where its period ends.
    """
    date, starts_at, zone = last.date, last.ends_at, last.zone
    start, end = last.period_start, last.period_end
    while True:
        date += ONE_DAY
        if date == end:
            zone = next_zone
            start, end = date, next_start(date, next_period_day)
        ends_at = day_start(date + ONE_DAY, zone)
        if ends_at > starts_at:
            yield Day(date, starts_at, ends_at, zone, start, end)
            starts_at = ends_at


def days_until(first: Day, instant: dt.datetime) -> list[Day]:
    """Return the days before `first`, from the one of an earlier instant on."""
    earlier = first_day(instant, first.zone, first.period_start.day)
    if earlier.date >= first.date or earlier.starts_at >= first.starts_at:
        return []
    days = [_in_period_of(first, earlier)]
    for day in days_after(earlier, first.zone, first.period_start.day):
        if day.date >= first.date or day.starts_at >= first.starts_at:
            break
        days.append(_in_period_of(first, day))
    # The tenant's calendar has no holes even where the zone's rules were revised.
    days.append(dataclasses.replace(days.pop(), ends_at=first.starts_at))
    return days


def _in_period_of(first: Day, day: Day) -> Day:
    """Let a day before `first` lie in its period, should that reach back to it."""
    if day.date < first.period_start:
        return day
    return dataclasses.replace(
        day, period_start=first.period_start, period_end=first.period_end
    )


def month_of(date: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first date of the date's month and of the month after."""
    first = date.replace(day=1)
    return first, (first + 31 * ONE_DAY).replace(day=1)
