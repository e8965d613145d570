"""The table says what was wrong, and the slope is that of the last half."""

import pytest

from tests.chaos.oracle import Judgement
from tests.chaos.report import FAULTS_SHOWN_MAX, Result, slope_per_hour, table


def test_what_is_wrong_stands_below_the_table_and_is_not_cut_in_silence() -> None:
    faults = [f"fault {number}" for number in range(FAULTS_SHOWN_MAX + 3)]
    made = Result("a case", 7, Judgement(faults=faults), recoveries=[1.0, 3.0, 2.0])
    shown = table([made])
    assert "2.00 s" in shown
    assert "3.00 s" in shown
    assert shown.count("WRONG") == FAULTS_SHOWN_MAX
    assert "and 3 more" in shown


def test_leases_that_stay_are_wrong() -> None:
    assert Result("a case", 1, Judgement()).wrong == []
    assert Result("a case", 1, Judgement(), leases=5).wrong == ["5 picos stay leased"]


@pytest.mark.parametrize("per_second", [0, 100, -7])
def test_the_slope_leaves_out_how_it_warmed_up(per_second: int) -> None:
    warm = [(float(second), 40 * second) for second in range(100)]
    late = [(float(second), 4000 + per_second * second) for second in range(100, 200)]
    slope = slope_per_hour(warm + late)
    assert slope == pytest.approx(per_second * 3600)


def test_too_little_has_no_slope() -> None:
    assert slope_per_hour([(float(second), 1) for second in range(18)]) is None
    assert slope_per_hour([(1.0, 1)] * 40) is None
