"""Replicas that die or stand still under load, beside others that serve the same model.

A client that has nothing of its answer yet must notice none of it: another replica
answers. One that has a part hears that it ended, and is billed that part.
"""

import asyncio
import time

from tests.chaos.clients import Load, Mix, Record
from tests.chaos.cluster import Engine
from tests.chaos.processes import listens
from tests.chaos.stage import Case, Setting, Stage

POLL_S = 0.02
BUSY_SECONDS_MAX = 60.0
# How long a killed one stays away: from less than its clients' next request on.
AWAY_S = (0.05, 2.5)
FREEZE_S = 10.0
FROZEN_MS = 3000
IDLE_MS = 4000
# Until the freeze is noticed, and what was asked is answered elsewhere.
FROZEN_WAIT_S = 15.0
ALL_KINDS = Mix(streamed=0.6, tokens=(5, 60))


async def killed(stage: Stage) -> None:
    """Kill one replica after the other; each comes back before the next one dies.

    So does whatever had been asked by then come to its end: a request that has lost two
    replicas is not given to a third, for it may be what kills them.
    """
    died_at = 0.0
    async with stage.load() as load:
        for round_ in range(stage.times):
            victim = _victim(stage, round_)
            await _all_busy(stage, load)
            await _all_ended(stage, load, since=died_at)
            # Anywhere: before a head, between two tokens, while nothing is asked.
            await asyncio.sleep(stage.cluster.dice.uniform(0, 0.5))
            victim.process.kill()
            died_at = time.monotonic()
            await asyncio.sleep(stage.cluster.dice.uniform(*AWAY_S))
            victim.process.start()
            await _serves_again(stage, victim)
    _judge_unbegun(stage)


async def frozen(stage: Stage) -> None:
    """Stop one replica's time after the other's: nobody waits for it for ever."""
    async with stage.load() as load:
        for round_ in range(stage.times):
            victim = _victim(stage, round_)
            await _all_busy(stage, load)
            victim.process.freeze()
            await asyncio.sleep(FREEZE_S)
            victim.process.thaw()
            await _serves_again(stage, victim)
    _judge_unbegun(stage)
    slow = [each.waited_s for each in stage.records if each.waited_s > FROZEN_WAIT_S]
    stage.faults += [f"a first byte took {each:.1f} s" for each in slow]


def _victim(stage: Stage, round_: int) -> Engine:
    return stage.cluster.engines[round_ % len(stage.cluster.engines)]


async def _all_busy(stage: Stage, load: Load) -> None:
    """Wait until every replica has something to lose."""
    deadline = time.monotonic() + BUSY_SECONDS_MAX
    while not all(
        [
            (await stage.cluster.stats(each))["running"] > 1
            for each in stage.cluster.engines
        ]
    ):
        load.raise_if_broken()
        if time.monotonic() > deadline:
            raise AssertionError("not every replica is asked")
        await asyncio.sleep(POLL_S)


async def _all_ended(stage: Stage, load: Load, *, since: float) -> None:
    """Wait until everything that was asked before a death has ended."""
    while any(not each.ended_at and each.asked_at < since for each in stage.records):
        load.raise_if_broken()
        await asyncio.sleep(POLL_S)


async def _serves_again(stage: Stage, engine: Engine) -> None:
    """Wait until requests come to a replica that listens; note how long it took."""
    await engine.process.until(lambda: listens(engine.port))
    since = time.monotonic()
    before = (await stage.cluster.stats(engine))["requests"]
    while (await stage.cluster.stats(engine))["requests"] == before:
        if time.monotonic() > since + BUSY_SECONDS_MAX:
            stage.faults.append(f"{engine.process.name} is never asked again")
            return
        await asyncio.sleep(POLL_S)
    stage.recoveries.append(time.monotonic() - since)


def _judge_unbegun(stage: Stage) -> None:
    failed = [each for each in stage.records if _has_failed_unbegun(each)]
    stage.notes.append(
        f"{len(failed)} of {len(stage.records)} failed without a first byte;"
        f" the longest wait for one was"
        f" {max(each.waited_s for each in stage.records):.2f} s"
    )
    stage.faults += [
        f"ask {each.ask.number} failed without a first byte: status {each.status},"
        f" error {each.reading.received.error}"
        for each in failed
    ]


def _has_failed_unbegun(record: Record) -> bool:
    """Tell whether a client has an error, and nothing else of an answer."""
    return not record.is_whole and (record.status != 200 or not record.tokens)


THREE = Setting(engines=3, clients=45, mix=ALL_KINDS, has_direct_engines=True)
IMPATIENT = {"ENGINE_FROZEN_MS": str(FROZEN_MS), "ENGINE_IDLE_MS": str(IDLE_MS)}
KILLED = Case("replica killed", killed, 20, THREE)
FROZEN = Case(
    "replica frozen",
    frozen,
    3,
    Setting(
        engines=3,
        clients=45,
        mix=ALL_KINDS,
        has_direct_engines=True,
        env=IMPATIENT,
    ),
)
