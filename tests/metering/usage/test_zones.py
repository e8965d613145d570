"""Billing days join exactly in every zone, through every change of clocks."""

import datetime as dt
import itertools
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.usage.zones import (
    Day,
    date_at,
    day_start,
    days_after,
    days_until,
    first_day,
    month_of,
)

HOUR = dt.timedelta(hours=1)
ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})

zones = st.sampled_from(ZONES)
instants = st.datetimes(
    dt.datetime.fromisoformat("1990-01-01"),
    dt.datetime.fromisoformat("2100-01-01"),
    timezones=st.just(dt.UTC),
)


def run(first: Day, next_zone: str, count: int) -> list[Day]:
    """Return the first day and those that follow it."""
    return [first, *itertools.islice(days_after(first, next_zone), count)]


@pytest.mark.parametrize(
    ("date", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)],
)
def test_day_is_as_long_as_its_clocks_make_it(date: str, hours: int) -> None:
    day = dt.date.fromisoformat(date)
    noon = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    found = first_day(noon, "Europe/Berlin")
    assert found.date == day
    assert found.ends_at - found.starts_at == hours * HOUR


def test_clocks_that_skip_midnight_begin_the_day_at_the_change() -> None:
    starts_at = day_start(dt.date(2018, 11, 4), "America/Sao_Paulo")
    assert starts_at == dt.datetime(2018, 11, 4, 3, tzinfo=dt.UTC)
    assert date_at(starts_at, "America/Sao_Paulo") == dt.date(2018, 11, 4)
    assert date_at(starts_at - dt.timedelta(microseconds=1), "America/Sao_Paulo") == (
        dt.date(2018, 11, 3)
    )


def test_clocks_that_repeat_midnight_begin_the_day_at_the_first() -> None:
    starts_at = day_start(dt.date(2026, 11, 1), "America/Havana")
    assert starts_at == dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC)


def test_date_that_a_zone_skips_has_no_day() -> None:
    before = first_day(dt.datetime(2011, 12, 29, 20, tzinfo=dt.UTC), "Pacific/Apia")
    days = run(before, "Pacific/Apia", 2)
    assert [day.date.isoformat() for day in days] == [
        "2011-12-29",
        "2011-12-31",
        "2012-01-01",
    ]
    assert days[0].ends_at == days[1].starts_at


def test_new_zone_takes_effect_where_a_period_ends() -> None:
    first = first_day(dt.datetime(2026, 1, 30, 12, tzinfo=dt.UTC), "UTC")
    days = run(first, "America/New_York", 3)
    assert [(day.date.day, day.zone) for day in days] == [
        (30, "UTC"),
        (31, "UTC"),
        (1, "America/New_York"),
        (2, "America/New_York"),
    ]
    assert days[2].ends_at - days[2].starts_at == 29 * HOUR


def test_zone_a_day_ahead_leaves_out_the_first_that_would_have_no_length() -> None:
    first = first_day(dt.datetime(2026, 1, 31, 13, tzinfo=dt.UTC), "Etc/GMT+12")
    days = run(first, "Pacific/Kiritimati", 1)
    assert [day.date.isoformat() for day in days] == ["2026-01-31", "2026-02-02"]
    assert days[0].ends_at == days[1].starts_at


@given(instants, zones, zones)
def test_days_join_and_have_length(at: dt.datetime, zone: str, next_zone: str) -> None:
    days = run(first_day(at, zone), next_zone, 70)
    for day, following in itertools.pairwise(days):
        assert day.starts_at < day.ends_at == following.starts_at
        assert day.date < following.date
    assert all(day.zone in {zone, next_zone} for day in days)


@given(instants, zones, st.integers(1, 70 * 24 * 60))
def test_days_before_the_first_reach_back_to_an_instant(
    at: dt.datetime, zone: str, minutes: int
) -> None:
    first = first_day(at, zone)
    earlier = first.starts_at - minutes * HOUR / 60
    days = [*days_until(first, earlier), first]
    assert days[0].starts_at <= earlier
    for day, following in itertools.pairwise(days):
        assert day.starts_at < day.ends_at == following.starts_at
        assert day.date < following.date


@given(st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1)))
def test_month_is_half_open(date: dt.date) -> None:
    first, after = month_of(date)
    assert first <= date < after
    assert (first.day, after.day) == (1, 1)
    assert (
        date_at(
            dt.datetime.combine(after, dt.time(), tzinfo=dt.UTC) - HOUR, "UTC"
        ).month
        == first.month
    )
