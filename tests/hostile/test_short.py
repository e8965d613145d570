"""Small crowds: healthy streams go on beside each, and nonsense is refused."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.hostile.crowds import BODIES, SLOW, crowd
from tests.hostile.healthy import traffic
from tests.hostile.stage import Target, staged

CONNECTIONS = 200
SIZE = 2 * 1024 * 1024


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Run a gateway and an engine for all crowds."""
    with staged() as running:
        yield running


@pytest.mark.parametrize("name", [*SLOW, *BODIES])
def test_healthy_streams_go_on_beside_a_crowd(target: Target, name: str) -> None:
    with crowd(name, target, connections=CONNECTIONS, size=SIZE) as end:
        felt = asyncio.run(traffic(target, seconds=1.0, per_second=20.0))
        met = end()
    assert felt.failed == 0
    assert len(felt.waits_ms) == 20
    if name in SLOW:
        assert met.connected == CONNECTIONS
    else:
        assert met.statuses
        assert set(met.statuses) <= {400, 404}
