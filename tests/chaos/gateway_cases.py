"""Gateways that die, lose their disk, stand still, or are told to stop, under streams.

All clients ask the one gateway that is in turn; when it falls they go to the next,
while the fallen one comes back. So each death meets all of the streams, and a round
takes no longer than a start.
"""

import asyncio
import signal
import time

from tests.chaos import books
from tests.chaos.clients import Load, Mix, Record
from tests.chaos.cluster import DRAIN_MS, Gateway
from tests.chaos.faults import ONE_CHECKPOINT, ONE_CHUNK
from tests.chaos.stage import Case, Setting, Stage

POLL_S = 0.02
BEGUN_SECONDS_MAX = 60.0
FREEZE_S = 180.0
# When the reaper comes by, as a share of the freeze: 135 s of silence of 180.
REAPED_AT = 0.8
STOP_SECONDS_MAX = DRAIN_MS / 1000 + 20
STREAMS = Mix(streamed=0.9, tokens=(20, 90))


async def killed(stage: Stage) -> None:
    """Kill the gateway in turn, once all streams have begun there."""
    await _fall_in_turn(stage, loses_journal=False)


async def killed_without_journal(stage: Stage) -> None:
    """Kill it, and lose its journal with it."""
    await _fall_in_turn(stage, loses_journal=True)
    await books.close_the_silent(stage.cluster)


async def _fall_in_turn(stage: Stage, *, loses_journal: bool) -> None:
    cluster = stage.cluster
    starting: dict[str, asyncio.Task[None]] = {}
    recovering: list[asyncio.Task[None]] = []
    _take_turn(stage, 0)
    async with stage.load() as load:
        for round_ in range(stage.times):
            victim, heir = _turn(stage, round_)
            await _all_begun(load, victim)
            # Anywhere: within a token's time, a commit's, a heartbeat's.
            await asyncio.sleep(cluster.dice.uniform(0, 1))
            if heir.name in starting:
                await starting.pop(heir.name)
            epoch = await stage.epoch_of(victim)
            died_at = time.monotonic()
            victim.process.kill()
            if loses_journal:
                victim.forget_journal()
            _take_turn(stage, round_ + 1)
            starting[victim.name] = asyncio.create_task(_start(stage, victim))
            recovering.append(
                asyncio.create_task(stage.epoch_settled(epoch, since=died_at))
            )
        await asyncio.gather(*starting.values(), *recovering)


async def told_to_stop(stage: Stage) -> None:
    """Send SIGTERM to the gateway in turn; nobody is left without a final event."""
    statuses = []
    _take_turn(stage, 0)
    async with stage.load() as load:
        for round_ in range(stage.times):
            victim, _ = _turn(stage, round_)
            await _all_begun(load, victim)
            began = time.monotonic()
            victim.process.send(signal.SIGTERM)
            _take_turn(stage, round_ + 1)
            statuses.append(await victim.process.ended(seconds=STOP_SECONDS_MAX))
            stage.recoveries.append(time.monotonic() - began)
            await _start(stage, victim)
    if any(statuses):
        stage.faults.append(f"exit statuses were not 0: {statuses}")
    silent = [record for record in stage.records if _is_silent(record)]
    stage.faults += [
        f"ask {each.ask.number} of {each.gateway} had no final event:"
        f" status {each.status}, {each.tokens} tokens"
        for each in silent
    ]


async def frozen(stage: Stage) -> None:
    """Stop a gateway's time, let the reaper settle for it, and let it go on."""
    cluster, lasts_s = stage.cluster, FREEZE_S * stage.scale
    async with stage.load() as load:
        for _ in range(stage.times):
            victim = cluster.dice.choice(cluster.gateways)
            await _all_begun(load, victim, share=0.3)
            victim.is_in_turn = False
            victim.process.freeze()
            await asyncio.sleep(lasts_s * REAPED_AT)
            await books.close_the_silent(cluster)
            await asyncio.sleep(lasts_s * (1 - REAPED_AT))
            victim.process.thaw()
            thawed_at = time.monotonic()
            await cluster.until_ready(victim)
            await stage.normal_again(victim, since=thawed_at)
    late = await cluster.rows("SELECT count(*) FROM usage_event WHERE kind = 1")
    stage.notes.append(f"{late[0][0]} late events")


def _turn(stage: Stage, round_: int) -> tuple[Gateway, Gateway]:
    gateways = stage.cluster.gateways
    return gateways[round_ % len(gateways)], gateways[(round_ + 1) % len(gateways)]


def _take_turn(stage: Stage, round_: int) -> None:
    """Let clients ask this round's gateway and no other."""
    now, _ = _turn(stage, round_)
    for each in stage.cluster.gateways:
        each.is_in_turn = each is now


async def _start(stage: Stage, gateway: Gateway) -> None:
    """Start a gateway that waits for its turn."""
    gateway.process.start()
    await gateway.process.until(lambda: stage.cluster.is_ready(gateway))


async def _all_begun(load: Load, gateway: Gateway, *, share: float = 0.9) -> None:
    """Wait until this share of the clients have begun to read from a gateway."""
    deadline = time.monotonic() + BEGUN_SECONDS_MAX
    while load.running(gateway) < share * load.clients:
        load.raise_if_broken()
        if time.monotonic() > deadline:
            raise AssertionError(f"{gateway.name} has {load.running(gateway)} streams")
        await asyncio.sleep(POLL_S)


def _is_silent(record: Record) -> bool:
    """Tell whether an answer ended without saying why."""
    seen = record.reading.received
    if record.is_whole or seen.status >= 400 or seen.error is not None:
        return False
    # Who connected while the listening socket closed was refused: no request began.
    return bool(seen.status or record.first_byte_at)


KILLED = Case("gateway killed", killed, 200, Setting(mix=STREAMS, allowance=ONE_CHUNK))
JOURNAL_LOST = Case(
    "killed, journal lost",
    killed_without_journal,
    100,
    Setting(mix=STREAMS, allowance=ONE_CHECKPOINT, one_host=False, loses_hosts=True),
)
TOLD_TO_STOP = Case("gateway told to stop", told_to_stop, 50, Setting(mix=STREAMS))
FROZEN = Case(
    "gateway frozen",
    frozen,
    1,
    Setting(mix=Mix(tokens=(20, 200)), allowance=ONE_CHUNK),
)
