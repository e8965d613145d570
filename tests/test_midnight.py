"""When a test may begin."""

import datetime as dt

import pytest

from tests.midnight import LAST_S, seconds_to_wait

MIDNIGHT = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("before_s", "wait_s"),
    [(0.001, 0.001), (LAST_S - 1, LAST_S - 1), (LAST_S, 0), (3_600, 0), (0, 0)],
)
def test_only_the_last_seconds_of_a_day_are_waited_for(
    before_s: float, wait_s: float
) -> None:
    assert seconds_to_wait(MIDNIGHT - dt.timedelta(seconds=before_s)) == wait_s
