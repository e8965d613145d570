"""Fixtures: a simulator with the default behaviour."""

from collections.abc import Iterator

import pytest

from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """Give a fresh simulator to one test."""
    with running_simulator() as running:
        yield running
