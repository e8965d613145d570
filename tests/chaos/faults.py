"""The catalogue of faults: how each begins and ends, and what it may do to a bill.

A fault is a context: it begins on entering and has ended on leaving, with everything
that it broke started or joined again. Whom it meets is drawn by the dice it is given,
so a seed tells the whole run. Failure: what does not come back raises.
"""

import asyncio
import contextlib
import itertools
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tests.chaos.cluster import PACE_MS, Cluster, Gateway
from tests.chaos.oracle import EXACT, Allowance
from tests.chaos.processes import listens
from tests.standins.tcp_proxy import Direction

Begin = Callable[[Cluster, random.Random], AbstractAsyncContextManager[None]]

# What is handed over in one piece is counted as a whole, and may be this many tokens.
PIECE_TOKENS = 16
CHECKPOINT_MS = 250
ONE_CHUNK = Allowance(more=PIECE_TOKENS)
# Two more: one that was just under way, one for the statement's own time.
ONE_CHECKPOINT = Allowance(less=-(-CHECKPOINT_MS // PACE_MS) + 2, loses_young=True)
STOP_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its name, its context, how long it lasts in a random run."""

    name: str
    begin: Begin
    allowance: Allowance = EXACT
    lasts_s: tuple[float, float] = (0.2, 3.0)
    # What two faults must not both hold, because each starts and stops it.
    holds: str = ""
    needs_server: bool = False


def _victim(cluster: Cluster, dice: random.Random) -> Gateway | None:
    """Return a gateway to meet; the last that is in turn is left alone."""
    ready = cluster.ready()
    return dice.choice(ready) if len(ready) > 1 else None


@contextlib.asynccontextmanager
async def gateway_killed(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Kill a gateway outright; start it again at the end."""
    victim = _victim(cluster, dice)
    if victim is not None:
        victim.is_in_turn = False
        victim.process.kill()
    yield
    if victim is not None:
        await cluster.start(victim)


@contextlib.asynccontextmanager
async def gateway_frozen(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Stop a gateway's time."""
    victim = _victim(cluster, dice)
    if victim is not None:
        victim.is_in_turn = False
        victim.process.freeze()
    yield
    if victim is not None:
        victim.process.thaw()
        await cluster.until_ready(victim)


@contextlib.asynccontextmanager
async def gateway_told_to_stop(
    cluster: Cluster, dice: random.Random
) -> AsyncIterator[None]:
    """Ask a gateway to stop; start it again once it has."""
    victim = _victim(cluster, dice)
    if victim is not None:
        victim.is_in_turn = False
        victim.process.send(signal.SIGTERM)
    yield
    if victim is not None:
        await victim.process.ended(seconds=STOP_SECONDS_MAX)
        await cluster.start(victim)


@contextlib.asynccontextmanager
async def postgres_stopped(
    cluster: Cluster, dice: random.Random
) -> AsyncIterator[None]:
    """Stop PostgreSQL as a crash would."""
    assert cluster.server is not None, "this run has no server of its own"
    cluster.server.stop_at_once()
    yield
    await cluster.server.start_again()


@contextlib.asynccontextmanager
async def postgres_frozen(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Stop the time of all of PostgreSQL's processes."""
    assert cluster.server is not None, "this run has no server of its own"
    cluster.server.process.freeze()
    try:
        yield
    finally:
        cluster.server.process.thaw()


@contextlib.asynccontextmanager
async def postgres_out_of_reach(
    cluster: Cluster, dice: random.Random
) -> AsyncIterator[None]:
    """Cut one gateway's line to PostgreSQL, and refuse it a new one."""
    edge = dice.choice(cluster.gateways).postgres
    edge.refuse()
    edge.drop()
    yield
    edge.heal()


@contextlib.asynccontextmanager
async def postgres_silent(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Let a gateway's line to PostgreSQL carry nothing, and close nothing."""
    edge = dice.choice(cluster.gateways).postgres
    edge.freeze()
    yield
    edge.heal()


@contextlib.asynccontextmanager
async def postgres_slow(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Let every gateway's line to PostgreSQL be slow and narrow."""
    for each in cluster.gateways:
        each.postgres.delay_s = dice.uniform(0.005, 0.1)
        each.postgres.bytes_per_s = 200_000
    yield
    for each in cluster.gateways:
        each.postgres.heal()


@contextlib.asynccontextmanager
async def commits_unanswered(
    cluster: Cluster, dice: random.Random
) -> AsyncIterator[None]:
    """Cut every gateway's next batches of events from their answers."""
    for each in cluster.gateways:
        each.postgres.cut_commits(dice.randint(1, 5))
    yield
    for each in cluster.gateways:
        each.postgres.cut_commits(0)


@contextlib.asynccontextmanager
async def store_killed(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Kill Valkey; it forgets all it knew."""
    cluster.valkey.kill()
    yield
    cluster.valkey.start()


@contextlib.asynccontextmanager
async def store_frozen(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Stop Valkey's time."""
    cluster.valkey.freeze()
    yield
    cluster.valkey.thaw()


@contextlib.asynccontextmanager
async def store_out_of_reach(
    cluster: Cluster, dice: random.Random
) -> AsyncIterator[None]:
    """Cut one gateway's line to Valkey at one end, and refuse it a new one."""
    edge = dice.choice(cluster.gateways).valkey
    edge.refuse()
    dice.choice((edge.drop, edge.lose_clients, edge.lose_servers))()
    yield
    edge.heal()


@contextlib.asynccontextmanager
async def engine_killed(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Kill an engine; start it again at the end."""
    engine = dice.choice(cluster.engines)
    engine.process.kill()
    yield
    engine.process.start()
    await engine.process.until(lambda: listens(engine.port))


@contextlib.asynccontextmanager
async def engine_frozen(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Stop an engine's time."""
    engine = dice.choice(cluster.engines)
    engine.process.freeze()
    yield
    engine.process.thaw()


@contextlib.asynccontextmanager
async def engine_cut(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Cut a line to an engine in the middle of what it says."""
    edge = dice.choice(cluster.engines).edge
    edge.cut_after(dice.randint(0, 5_000), Direction.TO_CLIENT)
    yield
    edge.heal()


@contextlib.asynccontextmanager
async def engine_slow(cluster: Cluster, dice: random.Random) -> AsyncIterator[None]:
    """Let a line to an engine be slow."""
    edge = dice.choice(cluster.engines).edge
    edge.delay_s = dice.uniform(0.01, 0.2)
    yield
    edge.heal()


CATALOGUE = {
    fault.name: fault
    for fault in (
        Fault("gateway killed", gateway_killed, ONE_CHUNK, holds="gateway"),
        Fault("gateway frozen", gateway_frozen, holds="gateway"),
        Fault("gateway told to stop", gateway_told_to_stop, holds="gateway"),
        Fault(
            "postgres stopped", postgres_stopped, holds="postgres", needs_server=True
        ),
        Fault("postgres frozen", postgres_frozen, holds="postgres", needs_server=True),
        Fault("postgres out of reach", postgres_out_of_reach, holds="line"),
        Fault("postgres silent", postgres_silent, holds="line"),
        Fault("postgres slow", postgres_slow, holds="line"),
        Fault("commits unanswered", commits_unanswered),
        Fault("store killed", store_killed, holds="store"),
        Fault("store frozen", store_frozen, holds="store"),
        Fault("store out of reach", store_out_of_reach),
        Fault("engine killed", engine_killed, holds="engine"),
        Fault("engine frozen", engine_frozen, holds="engine"),
        Fault("engine cut", engine_cut, holds="engine line"),
        Fault("engine slow", engine_slow, holds="engine line"),
    )
}


def possible(cluster: Cluster) -> list[Fault]:
    """Return the faults that this run can make."""
    return [
        fault
        for fault in CATALOGUE.values()
        if cluster.server is not None or not fault.needs_server
    ]


def pairs(faults: list[Fault]) -> Iterator[tuple[Fault, Fault]]:
    """Return every two faults that can hold at once."""
    for one, other in itertools.combinations(faults, 2):
        if not one.holds or one.holds != other.holds:
            yield one, other


async def endure(cluster: Cluster, chosen: list[Fault], dice: random.Random) -> None:
    """Let faults begin, each a little after the one before, hold, and end.

    Those of gateways end last: a gateway that starts waits for all that it needs.
    """
    async with (
        contextlib.AsyncExitStack() as gateways,
        contextlib.AsyncExitStack() as others,
    ):
        for fault in chosen:
            stack = gateways if fault.holds == "gateway" else others
            await stack.enter_async_context(fault.begin(cluster, dice))
            await asyncio.sleep(dice.uniform(*fault.lasts_s) / len(chosen))
