"""Periods join exactly, begin on one day of the month, and are never longer."""

import datetime as dt
import itertools
import zoneinfo
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.usage.spans import Span, month_before, next_start, start_of
from metering.usage.zones import Day, days_after, days_until, first_day

NOON = dt.timedelta(hours=12)
dates = st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1))
period_days = st.integers(1, 28)
zones = st.sampled_from(sorted(zoneinfo.available_timezones() - {"localtime"}))
instants = st.datetimes(
    dt.datetime.fromisoformat("1990-01-01"),
    dt.datetime.fromisoformat("2100-01-01"),
    timezones=st.just(dt.UTC),
)


def span(first: str, end: str) -> Span:
    """Return a period of two dates, of a tenant in UTC."""
    bounds = [dt.date.fromisoformat(each) for each in (first, end)]
    starts_at, ends_at = (
        dt.datetime.combine(each, dt.time(), tzinfo=dt.UTC) for each in bounds
    )
    return Span(bounds[0], bounds[1], starts_at, ends_at)


@given(dates, period_days)
def test_every_date_lies_between_two_starts(date: dt.date, day: int) -> None:
    start, end = start_of(date, day), next_start(date, day)
    assert start <= date < end
    assert (start.day, end.day) == (day, day)
    assert month_before(end) == start
    assert start_of(end, day) == end


@pytest.mark.parametrize(
    ("first", "end", "days", "name"),
    [
        ("2026-02-01", "2026-03-01", 28, "2026-02"),
        ("2028-02-01", "2028-03-01", 29, "2028-02"),
        ("2026-01-28", "2026-02-28", 31, "2026-01-28 to 2026-02-27"),
        ("2026-02-28", "2026-03-28", 28, "2026-02-28 to 2026-03-27"),
        # Shorter, because the tenant changed the day: of a whole period of 31 days.
        ("2026-03-01", "2026-03-15", 28, "2026-03-01 to 2026-03-14"),
    ],
)
def test_a_whole_period_has_its_days(
    first: str, end: str, days: int, name: str
) -> None:
    found = span(first, end)
    assert found.full_days == days
    assert found.name == name
    assert found.share_of(found.first_date, found.end_date) == Fraction(
        (found.end_date - found.first_date).days, days
    )


def run(first: Day, zone: str, period_day: int, count: int) -> list[Day]:
    return [first, *itertools.islice(days_after(first, zone, period_day), count)]


@given(instants, zones, period_days, zones, period_days)
def test_days_and_periods_join(
    at: dt.datetime, zone: str, day: int, next_zone: str, next_day: int
) -> None:
    """Whatever changes: from then on periods begin where they now shall."""
    days = run(first_day(at, zone, day), next_zone, next_day, 100)
    first_end = days[0].period_end
    for before, after in itertools.pairwise(days):
        assert after.period_start <= after.date < after.period_end
        if after.date < before.period_end:
            assert after.period_start == before.period_start
            assert after.period_end == before.period_end
        else:
            assert after.period_start == before.period_end
            assert after.period_end.day == next_day
        assert (after.period_end - after.period_start).days <= 31
        assert after.zone == (zone if after.date < first_end else next_zone)


@given(instants, zones, period_days, period_days, st.integers(1, 90))
def test_days_before_the_first_lie_in_periods_that_join(
    at: dt.datetime, zone: str, day: int, next_day: int, back: int
) -> None:
    """Also where the first day lies in a period that a changed day made shorter."""
    for first in run(first_day(at, zone, day), zone, next_day, 40)[::13]:
        earlier = first.starts_at - back * dt.timedelta(days=1)
        days = [*days_until(first, earlier), first]
        assert days[0].starts_at <= earlier
        for before, after in itertools.pairwise(days):
            assert before.ends_at == after.starts_at
            assert before.period_start <= before.date < before.period_end
            if after.period_start != before.period_start:
                assert after.period_start == before.period_end
            else:
                assert after.period_end == before.period_end


def test_a_skipped_date_still_ends_its_period() -> None:
    """The zone had no 30th of December in 2011."""
    first = first_day(dt.datetime(2011, 12, 28, 20, tzinfo=dt.UTC), "Pacific/Apia", 28)
    days = run(first, "Pacific/Apia", 1, 4)
    assert [day.date.day for day in days] == [28, 29, 31, 1, 2]
    skipping = [dt.date(2011, 12, 1) + dt.timedelta(days=each) for each in range(31)]
    assert all(start_of(date, 28) <= date < next_start(date, 28) for date in skipping)
