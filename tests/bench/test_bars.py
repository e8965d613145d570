"""A bar is met by what was seen, missed by it, or not judged at all."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.bench.bars import BARS, Bar, Verdict, bars_markdown, bars_table
from tests.bench.results import Results

QUIET = Results(
    measured_at=f"{dt.datetime(2026, 11, 22, tzinfo=dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
    rounds=3,
    window_s=2.5,
    versions={},
    conditions="",
    machine={},
    other_cores_max=0.1,
    loads={},
    medians={},
)
COSTS = {"ns": "cpu_ms_per_1k_requests", "c128h": "cpu_ms_per_100k_tokens"}


def bar(start: str) -> Bar:
    """Return the one bar whose figure begins so."""
    (found,) = [each for each in BARS if each.figure.startswith(start)]
    return found


def seen(scenario: str, figure: str, **by_target: float) -> Results:
    """Return results with one figure of one scenario."""
    medians: Mapping[str, Mapping[str, float]] = {
        target.replace("_", "-"): {figure: value} for target, value in by_target.items()
    }
    return replace(QUIET, medians={scenario: medians})


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(3.3, Verdict.GOAL), (8.0, Verdict.MET), (8.1, Verdict.MISSED)],
)
def test_cpu_is_a_multiple_of_nginx(ours: float, verdict: Verdict) -> None:
    results = seen("ns", COSTS["ns"], nginx=1.0, tollgate=ours)
    assert bar("CPU of a request").verdict(results) is verdict


def test_tokens_of_a_core_are_more_where_a_token_costs_less() -> None:
    tokens = bar("tokens/s of a core")
    results = seen("sat", COSTS["c128h"], vllm_router=4.0, tollgate=5.0)
    assert tokens.value(results) == 0.8
    assert tokens.verdict(results) is Verdict.MET
    dearer = seen("sat", COSTS["c128h"], vllm_router=4.0, tollgate=5.1)
    assert tokens.verdict(dearer) is Verdict.MISSED


def test_a_delay_is_what_is_added_in_units_of_what_nginx_adds() -> None:
    first = bar("added to the first token, `c128h` p50")
    results = seen("c128h", "first_ms_p50", direct=1.0, nginx=1.5, tollgate=2.5)
    assert first.value(results) == 3.0
    lost = seen("c128h", "first_ms_p50", direct=1.0, nginx=0.9, tollgate=1.5)
    assert first.value(lost) == 5.0


def test_a_busy_machine_says_nothing_of_delays_and_all_of_cpu_and_memory() -> None:
    gap = seen("s1000", "gap_ms_max", tollgate=500.0)
    assert bar("longest gap in any of them, a token each 50 ms").verdict(gap) is (
        Verdict.MISSED
    )
    busy = replace(gap, other_cores_max=1.5)
    assert bar("longest gap in any of them, a token each 50 ms").verdict(busy) is (
        Verdict.UNSEEN
    )
    memory = replace(seen("s1000", "stream_kib", tollgate=99.0), other_cores_max=1.5)
    assert bar("memory of each of 1,000").verdict(memory) is Verdict.MET


def test_the_table_has_a_line_for_each_bar() -> None:
    results = seen("ns", COSTS["ns"], nginx=1.0, tollgate=4.25)
    assert (
        "| CPU of a request, `ns`, beside nginx | ≤ 8.0 × | ≤ 3.3 × | 4.2 × | met |"
    ) in bars_markdown(results)
    assert len(bars_table(results).splitlines()) == len(BARS) + 2
