"""What a gateway holds: counted before faults and after them, nothing may have stayed.

The gateway, its engine and its clients are one process here, so that every socket is
counted, whoever forgot it. Connections that the pool keeps for later are no leak: they
are counted apart, and both of their ends taken off the sockets.
"""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is open at one moment."""

    tasks: int
    sockets: int
    clients: int
    exchanges: int
    live: int
    admissions: int
    counts: int
    engine_exchanges: int
    engine_requests: int


def holdings(gateway: RunningGateway, simulator: RunningSimulator) -> Holdings:
    """Count what is open now."""
    stats = simulator.stats()
    return gateway.run(
        lambda: Holdings(
            tasks=len(asyncio.all_tasks()),
            sockets=_sockets() - 2 * _kept(gateway),
            clients=len(gateway.server.server_state.connections),
            exchanges=len(gateway.pool.running),
            live=len(gateway.live),
            admissions=gateway.meter.open_requests,
            counts=len(gateway.counting),
            # The one that asks is open too.
            engine_exchanges=stats["open"],
            engine_requests=stats["running"],
        )
    )


def await_holdings(
    expected: Holdings, gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    """Return once no more is held than `expected`; else show what is."""
    seen = expected

    def same() -> bool:
        nonlocal seen
        seen = holdings(gateway, simulator)
        return seen == expected

    with suppress(AssertionError):
        wait_until(same)
    assert seen == expected


def _kept(gateway: RunningGateway) -> int:
    """Return how many connections to engines wait for the next request."""
    return sum(each.is_open for idle in gateway.pool._idle.values() for each in idle)


def _sockets() -> int:
    count = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (links, read one by one)
        with suppress(OSError):
            count += str(Path(f"/proc/self/fd/{name}").readlink()).startswith("socket:")
    return count
