"""Every value is counted once, in the range that it belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.histogram import DURATION_BOUNDS_US, Histogram, quantile

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


@given(_BOUNDS, st.lists(st.integers(-1_100, 1_100)))
def test_what_is_filled_is_all_that_was_counted(
    bounds: list[int], values: list[int]
) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    filled = dict(histogram.filled())
    assert sum(filled.values()) == len(values)
    assert all(filled.values())
    assert filled.get(None, 0) == sum(
        value > max(bounds) for value in values if bounds
    ) + (0 if bounds else len(values))


@given(
    st.lists(st.integers(0, 1_100), min_size=1),
    st.integers(1, 1000),
)
def test_a_quantile_lies_in_the_range_of_the_value(
    values: list[int], permille: int
) -> None:
    bounds = [10, 100, 1_000]
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    found = quantile(dict(histogram.filled()), permille, bounds=bounds)
    ranked = sorted(values)[-(-len(values) * permille // 1000) - 1]
    upper = next((each for each in bounds if ranked <= each), 1_000)
    lower = max((each for each in (0, *bounds) if each < ranked), default=0)
    assert found is not None
    assert min(lower, 1_000) <= found <= upper


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile({}, 950, bounds=[10]) is None
    assert quantile({10: 20}, 500, bounds=[10, 20]) == 5
    assert quantile({20: 20}, 500, bounds=[10, 20]) == 15
