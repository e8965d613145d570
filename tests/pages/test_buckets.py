"""The time axis: every hour and day up to now, and which of them may still grow."""

import datetime as dt

from pages.finance.buckets import Moment, days, hours
from pages.finance.choice import Each

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def moment(at: dt.datetime) -> Moment:
    """Return an instant on its day of UTC."""
    return Moment(at, at.date())


def test_days_stand_up_to_today_on_an_axis_of_all_of_them() -> None:
    axis = days(
        dt.date(2026, 11, 8),
        dt.date(2026, 11, 30),
        now=moment(NOON),
        complete_to=moment(NOON),
    )

    assert axis.each is Each.DAY
    assert [bucket.name for bucket in axis.buckets] == [
        "2026-11-08",
        "2026-11-09",
        "2026-11-10",
    ]
    assert [bucket.is_running for bucket in axis.buckets] == [False, False, True]
    assert axis.slots == 23


def test_days_run_from_the_one_that_is_not_complete() -> None:
    behind = moment(NOON - dt.timedelta(days=1))

    axis = days(
        dt.date(2026, 11, 8),
        dt.date(2026, 11, 10),
        now=moment(NOON),
        complete_to=behind,
    )

    assert [bucket.is_running for bucket in axis.buckets] == [False, True, True]


def test_hours_stand_up_to_the_running_one() -> None:
    now = NOON + 20 * MINUTE

    axis = hours(
        NOON - 3 * HOUR, NOON + 4 * HOUR, now=moment(now), complete_to=moment(now)
    )

    assert [bucket.name[-5:] for bucket in axis.buckets] == [
        "09:00",
        "10:00",
        "11:00",
        "12:00",
    ]
    assert [bucket.is_running for bucket in axis.buckets] == [False] * 3 + [True]
    assert axis.slots == 7


def test_an_hour_that_is_complete_to_its_end_does_not_run() -> None:
    axis = hours(NOON - HOUR, NOON, now=moment(NOON), complete_to=moment(NOON))

    assert [bucket.is_running for bucket in axis.buckets] == [False]


def test_a_day_of_a_half_hour_zone_begins_with_a_part_of_an_hour() -> None:
    start = dt.datetime(2026, 11, 8, 18, 30, tzinfo=dt.UTC)

    axis = hours(start, start + 24 * HOUR, now=moment(NOON), complete_to=moment(NOON))

    assert axis.slots == len(axis.buckets) == 25
    assert axis.buckets[0].key == start - 30 * MINUTE
    assert [bucket.name[-5:] for bucket in axis.buckets[:2]] == ["18:30", "19:00"]


def test_names_under_the_axis_are_few_and_fewer_on_a_narrow_page() -> None:
    first = dt.date(2026, 9, 1)
    for count in (2, 7, 8, 9, 31, 92):
        last = first + dt.timedelta(days=count - 1)
        marks = days(first, last, now=moment(NOON), complete_to=moment(NOON)).marks
        assert marks[0].text == "2026-09-01"
        assert len(marks) <= 8
        assert sum(not mark.is_minor for mark in marks) <= 3


def test_midnight_is_named_by_its_day() -> None:
    for count, most in ((24, 8), (72, 6), (168, 7)):
        end = NOON + HOUR
        marks = hours(
            end - count * HOUR, end, now=moment(NOON), complete_to=moment(NOON)
        ).marks
        assert 6 <= len(marks) <= most
        assert {mark.text[-5:] for mark in marks if mark.is_day} <= {
            f"11-{day:02}" for day in range(3, 11)
        }
        assert all(mark.text.endswith(":00") for mark in marks if not mark.is_day)
        assert 2 <= sum(not mark.is_minor for mark in marks) <= 4
