"""Steps come in order, on their days, and never nearer than the schedule has them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.receivables.schedule import next_step

DUE = dt.date(2026, 10, 16)


def day(number: int) -> dt.date:
    """Return a day so many after the due date."""
    return DUE + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("taken", "today", "position"),
    [
        ([], 2, None),
        ([], 3, 0),
        ([3], 6, None),
        ([3], 7, 1),
        ([3, 7], 13, None),
        ([3, 7], 14, 2),
        ([3, 7, 14], 400, None),
        # The worker was away: what was missed keeps its distance.
        ([], 40, 0),
        ([40], 43, None),
        ([40], 44, 1),
        ([40, 44], 50, None),
        ([40, 44], 51, 2),
    ],
)
def test_a_step_is_due_on_its_day(
    taken: list[int], today: int, position: int | None
) -> None:
    days = [day(each) for each in taken]
    found = next_step((3, 7, 14), since=DUE, taken=days, today=day(today))
    assert found == position


@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.integers(0, 400), max_size=40).map(sorted),
)
def test_whenever_scans_come_steps_keep_order_and_distance(
    schedule: list[int], scans: list[int]
) -> None:
    taken: list[dt.date] = []
    for scan in scans:
        found = next_step(schedule, since=DUE, taken=taken, today=day(scan))
        if found is None:
            continue
        assert found == len(taken)
        assert day(scan) >= day(schedule[found])
        if taken:
            apart = (day(scan) - taken[-1]).days
            assert apart >= schedule[found] - schedule[found - 1]
        taken.append(day(scan))
    assert len(taken) <= len(schedule)


def test_without_a_schedule_nobody_is_followed_up() -> None:
    assert next_step((), since=DUE, taken=[], today=day(100)) is None
