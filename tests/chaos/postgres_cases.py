"""PostgreSQL that stops, stands still, or loses its answer to a commit.

Streams go on while it is away, and what they used is committed when it is back. New
requests are served within leases or refused at once. Long streams begin before each
outage and end after it: they must come whole.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.chaos.clients import Mix, Record
from tests.chaos.cluster import PACE_MS, Cluster
from tests.chaos.faults import postgres_frozen, postgres_stopped
from tests.chaos.proxies import Cut, PostgresEdge
from tests.chaos.stage import Case, Setting, Stage
from tests.eventually import eventually

OUTAGE_S = 60.0
LONG_STREAMS = 10
# Refusals, and how fast all is well again.
REFUSED_S_MAX = 1.0
NORMAL_S_MAX = 10.0
BEFORE_S, BETWEEN_S = 1.0, 1.0
CUT_SECONDS_MAX = 30.0
SHORT = Mix(streamed=0.5, tokens=(1, 8))


async def stopped(stage: Stage) -> None:
    """Stop PostgreSQL as a crash would, and start it again."""
    await _outages(stage, postgres_stopped)


async def frozen(stage: Stage) -> None:
    """Stop the time of all its processes."""
    await _outages(stage, postgres_frozen)


async def _outages(
    stage: Stage, fault: Callable[..., AbstractAsyncContextManager[None]]
) -> None:
    cluster, lasts_s = stage.cluster, OUTAGE_S * stage.scale
    tokens = round((lasts_s + BEFORE_S + NORMAL_S_MAX) * 1000 / PACE_MS)
    refused: list[Record] = []
    async with stage.load():
        for _ in range(stage.times):
            long = [
                asyncio.create_task(stage.ask(gateway, max_tokens=tokens))
                for gateway in cluster.gateways
                for _ in range(LONG_STREAMS // len(cluster.gateways))
            ]
            await asyncio.sleep(BEFORE_S)
            first = len(stage.records)
            async with fault(cluster, cluster.dice):
                await asyncio.sleep(lasts_s)
            back_at = time.monotonic()
            await asyncio.gather(
                *(stage.normal_again(each, since=back_at) for each in cluster.gateways)
            )
            met = [each for each in stage.records[first:] if each.asked_at < back_at]
            refused += [each for each in met if each.ended_at and not each.is_whole]
            _hold_streams(stage, await asyncio.gather(*long))
            await asyncio.sleep(BETWEEN_S)
    _hold_refusals(stage, refused)


def _hold_streams(stage: Stage, long: list[Record]) -> None:
    """Streams that ran when PostgreSQL went must have come whole."""
    stage.faults += [
        f"cut after {each.tokens} tokens: {each.reading.received.error}"
        for each in long
        if not each.is_whole
    ]


def _hold_refusals(stage: Stage, refused: list[Record]) -> None:
    """Whoever was not served must have heard so at once, and service be back soon."""
    waits = [each.waited_s for each in refused]
    stage.notes.append(
        f"{len(waits)} were not served, told after {max(waits, default=0):.2f} s"
    )
    slow = [each for each in refused if each.waited_s > REFUSED_S_MAX]
    stage.faults += [
        f"ask {each.ask.number} heard {each.status} after {each.waited_s:.2f} s"
        for each in slow
    ]
    if max(stage.recoveries, default=0) > NORMAL_S_MAX:
        stage.faults.append(f"normal again only after {max(stage.recoveries):.1f} s")


async def commits_unanswered(stage: Stage) -> None:
    """Cut connections between a batch and its answer, in one of three ways each."""
    cluster = stage.cluster
    async with stage.load() as load:
        await asyncio.gather(
            *(
                _cut_one_by_one(cluster, number, stage.times)
                for number in range(len(cluster.gateways))
            )
        )
        load.raise_if_broken()
    cuts = {
        how: sum(each.postgres.commit_cuts[how] for each in cluster.gateways)
        for how in Cut
    }
    stage.notes += [f"{times} cut: {how.value}" for how, times in cuts.items()]
    if sum(cuts.values()) < stage.times:
        stage.faults.append(f"only {sum(cuts.values())} cuts were made")


async def _cut_one_by_one(cluster: Cluster, number: int, times: int) -> None:
    """Make this gateway's share of the cuts."""
    for _ in range(number, times, len(cluster.gateways)):
        await _cut(cluster.gateways[number].postgres)


async def _cut(edge: PostgresEdge) -> None:
    """Make one cut, and wait until the gateway has recovered from it."""
    edge.cut_commits(1)
    await eventually(lambda: not edge.cuts_left, seconds=CUT_SECONDS_MAX)
    # The batch is sent again, or what was queued behind it.
    seen = edge.batches
    await eventually(lambda: edge.batches > seen, seconds=CUT_SECONDS_MAX)


PG_STOPPED = Case(
    "postgres stopped", stopped, 10, Setting(clients=20, needs_server=True)
)
PG_FROZEN = Case("postgres frozen", frozen, 10, Setting(clients=20, needs_server=True))
COMMIT_CUT = Case(
    "commit unanswered", commits_unanswered, 500, Setting(clients=20, mix=SHORT)
)
