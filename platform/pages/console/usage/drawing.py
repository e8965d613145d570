"""Usage over time as stacked columns: the tenant's clocks, a few parts. Pure.

Every bucket of the range that has begun has a column, used or not. A part keeps its
shade while the range moves: it follows from what it is called. Hours are those of UTC,
shown on the tenant's clocks; days and months are its billing days and periods.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32
from zoneinfo import ZoneInfo

from metering.usage.report import Group, UsageReport, UsageRow
from metering.usage.spans import Span
from metering.usage.zones import date_at
from pages.charts.columns import Columns, Series, Slot, columns
from pages.charts.measure import Measure
from pages.console.usage.choice import (
    ONE_DAY,
    ONE_HOUR,
    ONE_MINUTE,
    Bucket,
    Choice,
    Show,
    local,
)
from pages.console.usage.report import name_of, value_of

_SHADES = 4
_AXES = {
    Bucket.MINUTE: "Minute",
    Bucket.HOUR: "Hour",
    Bucket.DAY: "Day",
    Bucket.MONTH: "Period",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """A bucket: what rows of the answer carry, and its column."""

    keys: frozenset[dt.date]
    slot: Slot


def drawing(
    choice: Choice,
    report: UsageReport,
    told: Sequence[Group],
    *,
    periods: Sequence[Span],
    now: dt.datetime,
) -> Columns:
    """Draw usage over time; `periods` are those of the range, for months."""
    complete = min(report.complete_to, now)
    places = _places(choice, report, periods, complete=complete, now=now)
    at = {key: number for number, place in enumerate(places) for key in place.keys}
    sums: dict[str, list[int]] = {
        _label(choice, group): [0] * len(places) for group in told
    }
    others = [0] * len(places)
    for row in report.rows:
        if choice.show is Show.SPEND and row.currency != choice.tenant.currency:
            continue
        key = _key(row)
        number = None if key is None else at.get(key)
        if number is not None:
            line = (
                sums.get(_label(choice, row.group), others)
                if row.group.is_told
                else others
            )
            line[number] += value_of(row, choice.show)
    shades = _shades(list(sums))
    series = [Series(name, values, shades[name]) for name, values in sums.items()]
    if any(others):
        series.append(Series("Others", others, 0))
    money = choice.tenant.currency if choice.show is Show.SPEND else ""
    what = " and ".join(each.noun for each in choice.parts)
    per = _AXES[choice.bucket or Bucket.DAY].lower()
    return columns(
        "over-time",
        f"{choice.show.capitalize()} by {per} and {what}",
        Measure(money) if money else Measure(noun=choice.show.value),
        slots=[place.slot for place in places],
        series=series,
        axis=_AXES[choice.bucket or Bucket.DAY],
    )


def bucket_name(row: UsageRow) -> str:
    """Return what a row's bucket is called in a file: a date, or an instant."""
    key = _key(row)
    if isinstance(key, dt.datetime):
        return key.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return f"{key}"


def _key(row: UsageRow) -> dt.date | None:
    group = row.group
    return group.minute or group.hour or group.day


def _label(choice: Choice, group: Group) -> str:
    return " / ".join(name_of(group, by) for by in choice.parts)


def _places(
    choice: Choice,
    report: UsageReport,
    periods: Sequence[Span],
    *,
    complete: dt.datetime,
    now: dt.datetime,
) -> list[_Place]:
    zone = choice.range.zone
    match choice.bucket:
        case Bucket.MONTH:
            return [
                _month(each, choice, complete=complete)
                for each in periods
                if each.starts_at <= now
            ]
        case Bucket.DAY:
            first = date_at(report.start, zone)
            last = min(date_at(report.end - ONE_MINUTE, zone), date_at(now, zone))
            dates = [
                first + number * ONE_DAY for number in range((last - first).days + 1)
            ]
            return [
                _day(date, choice, complete=date_at(complete, zone)) for date in dates
            ]
        case _:
            step = ONE_MINUTE if choice.bucket is Bucket.MINUTE else ONE_HOUR
            return _instants(choice, report, step, complete=complete, now=now)


def _month(span: Span, choice: Choice, *, complete: dt.datetime) -> _Place:
    days = (span.end_date - span.first_date).days
    return _Place(
        frozenset(span.first_date + number * ONE_DAY for number in range(days)),
        Slot(
            name=span.name,
            label=f"{span.first_date:%b %Y}",
            is_running=span.ends_at > complete,
            is_landmark=span.first_date.month == 1,
            address=_opened(choice, span.first_date, span.end_date),
        ),
    )


def _day(date: dt.date, choice: Choice, *, complete: dt.date) -> _Place:
    return _Place(
        frozenset({date}),
        Slot(
            name=f"{date}",
            label=f"{date.day} {date:%b}",
            is_running=date >= complete,
            is_landmark=date.day == 1,
            address=_opened(choice, date, date + ONE_DAY),
        ),
    )


def _instants(
    choice: Choice,
    report: UsageReport,
    step: dt.timedelta,
    *,
    complete: dt.datetime,
    now: dt.datetime,
) -> list[_Place]:
    zone = ZoneInfo(choice.range.zone)
    at = report.start.astimezone(dt.UTC).replace(second=0, microsecond=0)
    if step == ONE_HOUR:
        at = at.replace(minute=0)
    found = []
    while at < min(report.end, now):
        there = at.astimezone(zone)
        is_midnight = there.time() == dt.time()
        opened = "" if step == ONE_MINUTE else _opened(choice, at, at + step)
        slot = Slot(
            name=f"{there:%Y-%m-%d %H:%M}",
            label=f"{there.day} {there:%b}" if is_midnight else f"{there:%H:%M}",
            is_running=at + step > complete,
            is_landmark=is_midnight,
            address=opened,
        )
        found.append(_Place(frozenset({at}), slot))
        at += step
    return found


def _opened(choice: Choice, start: dt.date, end: dt.date) -> str:
    """Return the same page of one bucket alone, in finer ones."""
    zone = choice.range.zone
    return choice.address(**{"from": local(start, zone), "until": local(end, zone)})


def _shades(names: Sequence[str]) -> dict[str, int]:
    """Give each part the shade of its name, or the next that is free."""
    shades: dict[str, int] = {}
    for name in sorted(names):
        wanted = crc32(name.encode()) % _SHADES
        free = ((wanted + more) % _SHADES + 1 for more in range(_SHADES))
        shades[name] = next((each for each in free if each not in shades.values()), 0)
    return shades
