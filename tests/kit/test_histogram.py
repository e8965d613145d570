"""Every value is counted once, in the range that it belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.histogram import DURATION_BOUNDS_US, Histogram

_BOUNDS = st.lists(st.integers(-1_000, 1_000), unique=True, max_size=8).map(sorted)


@given(_BOUNDS, st.lists(st.integers(-1_100, 1_100)))
def test_a_bound_counts_all_values_up_to_it(
    bounds: list[int], values: list[int]
) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    assert list(histogram.cumulative()) == [
        *((bound, sum(value <= bound for value in values)) for bound in bounds),
        (None, len(values)),
    ]
    assert histogram.sum == sum(values)


def test_durations_reach_from_a_millisecond_to_five_minutes() -> None:
    assert DURATION_BOUNDS_US[0] == 1_000
    assert DURATION_BOUNDS_US[-1] == 300_000_000
    assert [bound for bound, _ in Histogram().cumulative()] == [
        *DURATION_BOUNDS_US,
        None,
    ]


@pytest.mark.parametrize("bounds", [[2, 1], [1, 1]])
def test_bounds_that_do_not_rise_are_refused(bounds: list[int]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        Histogram(bounds)
