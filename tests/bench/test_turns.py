"""Turns: who takes part in a load, how often, and what it is measured by."""

from collections.abc import Iterator

import pytest

from tests.bench.machine import usage_of
from tests.bench.scenarios import SCENARIOS
from tests.bench.targets import MODEL, Engine, Target, program
from tests.bench.turns import rested, turns
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)

SHORT = SCENARIOS["ns1"].within(0.1)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """Provide an engine."""
    with running_simulator() as running:
        yield running


def test_a_load_that_a_target_is_spared_is_not_measured(
    simulator: RunningSimulator,
) -> None:
    engine = Engine(simulator.port, pid=1)
    spared = Target("slow", simulator.port, left_out=frozenset({SHORT.name}))
    rows = turns(SHORT, [Target("fast", simulator.port), spared], engine, rounds=2)
    assert list(rows) == ["fast"]
    assert [row.errors for row in rows["fast"]] == [0, 0]
    assert all(row.tokens_per_s > 0 for row in rows["fast"])


def test_memory_is_looked_at_once_a_target_has_worked(
    simulator: RunningSimulator,
) -> None:
    with program(["sleep", "60"]) as process:
        target = Target("ours", simulator.port, gateway_pid=process.pid)
        (found,) = rested([target], Engine(simulator.port, pid=1))
        assert found.resting_bytes == usage_of(process.pid).resident_bytes > 0
    assert found.model == MODEL


def test_where_no_bar_hangs_on_it_half_of_the_rounds_are_enough() -> None:
    assert SCENARIOS["ns"].rounds_of(5) == 5
    assert SCENARIOS["c16"].rounds_of(5) == 3
    assert SCENARIOS["s1000"].rounds_of(5) == 2
    assert SCENARIOS["s1000"].rounds_of(1) == 1
