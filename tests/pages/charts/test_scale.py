"""Round numbers for an axis: few, even, starting at zero, and never too low."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.charts.scale import STEPS_MAX, count_labels, money_labels, ticks

UNIT = 10**12


@given(st.integers(0, 10**30))
def test_lines_are_few_even_and_reach_the_largest_number(largest: int) -> None:
    numbers = ticks(largest)
    steps = {after - before for before, after in pairwise(numbers)}

    assert numbers[0] == 0
    assert numbers[-1] >= largest
    assert len(numbers) == 2 or numbers[-2] < largest
    assert len(numbers) <= STEPS_MAX + 1
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in {"1", "2", "5"}


@pytest.mark.parametrize(
    ("largest", "labels"),
    [
        (3 * UNIT, ["0", "1", "2", "3"]),
        (UNIT, ["0.00", "0.20", "0.40", "0.60", "0.80", "1.00"]),
        (4500 * UNIT, ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]),
        (12 * 10**8, ["0.0000", "0.0005", "0.0010", "0.0015"]),
    ],
)
def test_amounts_have_equally_many_places(largest: int, labels: list[str]) -> None:
    assert money_labels(ticks(largest), "USD") == labels


def test_a_currency_without_minor_units_shows_places_only_where_it_must() -> None:
    assert money_labels(ticks(UNIT), "JPY")[:2] == ["0.0", "0.2"]
    assert money_labels(ticks(5 * UNIT), "JPY")[:2] == ["0", "1"]


@pytest.mark.parametrize(
    ("largest", "labels"),
    [
        (0, ["0", "1"]),
        (7, ["0", "2", "4", "6", "8"]),
        (1500, ["0", "0.5k", "1.0k", "1.5k"]),
        (14_208_261, ["0", "5M", "10M", "15M"]),
        (3 * 10**16, ["0", "10,000T", "20,000T", "30,000T"]),
    ],
)
def test_counts_are_short(largest: int, labels: list[str]) -> None:
    assert count_labels(ticks(largest)) == labels
