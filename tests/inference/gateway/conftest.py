"""Fixtures: a gateway with a recording meter, and the simulator behind it."""

from collections.abc import Iterator

import pytest

from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.running import RunningGateway, running_gateway


@pytest.fixture(scope="module")
def _gateway() -> Iterator[RunningGateway]:
    with running_gateway() as running:
        yield running


@pytest.fixture
def gateway(_gateway: RunningGateway) -> Iterator[RunningGateway]:
    """Give a gateway that has forgotten the test before; it must end with none open."""
    yield _gateway
    open_requests = _gateway.meter.open_requests
    _gateway.reset()
    assert open_requests == 0


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """Give a fresh simulator, which serves whatever model name it is told."""
    with running_simulator() as running:
        yield running


@pytest.fixture
def model(gateway: RunningGateway, simulator: RunningSimulator) -> str:
    """Publish a model that the simulator serves; return its public name."""
    return gateway.serve(simulator.base_url, upstream_model="sim")


@pytest.fixture
def raw(gateway: RunningGateway) -> Iterator[RawClient]:
    """Open a raw connection to the gateway."""
    with RawClient(gateway.port, gateway.key) as client:
        yield client
