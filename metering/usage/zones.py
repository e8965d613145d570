"""From a tenant's time zone to the instants of its billing days. Pure.

A billing day runs from the first instant of its date to the first instant of the next
date that has any. So a day has 23, 24 or 25 hours, and a date that a zone skips has no
day. A day keeps the zone of the day before it, except on the first of a month: there a
new zone takes effect, and that first day is longer or shorter. Days therefore always
join exactly.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One billing day: half-open, in UTC instants."""

    date: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime
    zone: str


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


def first_day(instant: dt.datetime, zone: str) -> Day:
    """Return the day that an instant falls on, for a tenant that has no days yet."""
    date = date_at(instant, zone)
    return next(days_after(date - ONE_DAY, day_start(date, zone), zone, zone))


def days_after(
    last_date: dt.date, starts_at: dt.datetime, zone: str, next_zone: str
) -> Iterator[Day]:
    """Yield the days that follow a day of `zone` which ends at `starts_at`, endlessly.

    `next_zone` takes effect with the next month.
    """
    date = last_date
    while True:
        date += ONE_DAY
        if date.day == 1:
            zone = next_zone
        ends_at = day_start(date + ONE_DAY, zone)
        if ends_at > starts_at:
            yield Day(date, starts_at, ends_at, zone)
            starts_at = ends_at


def days_until(first: Day, instant: dt.datetime) -> list[Day]:
    """Return the days before `first`, from the one of an earlier instant on."""
    days: list[Day] = []
    date = date_at(instant, first.zone)
    starts_at = day_start(date, first.zone)
    for day in days_after(date - ONE_DAY, starts_at, first.zone, first.zone):
        if day.date >= first.date or day.starts_at >= first.starts_at:
            break
        days.append(day)
    if days:
        last = days.pop()
        # The tenant's calendar has no holes even where the zone's rules were revised.
        days.append(Day(last.date, last.starts_at, first.starts_at, last.zone))
    return days


def month_of(date: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first date of the date's month and of the month after."""
    first = date.replace(day=1)
    return first, (first + 31 * ONE_DAY).replace(day=1)
