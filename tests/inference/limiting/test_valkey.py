"""The limiter in a real store: whose clock counts, what is kept, what comes late."""

import asyncio
import re

import pytest

from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from inference.limiting.connection import StoreAwayError
from inference.limiting.limiter import SLOT_US, Unit, Verdict
from inference.limiting.slots import SlotBook
from inference.limiting.valkey import RENEWED_AT_ONCE, ValkeyLimiter
from tests.eventually import eventually
from tests.inference.limiting.conftest import Connect
from tests.inference.limiting.rules import HOUR_US, new_id, requests, slot, tokens
from tests.inference.limiting.store import Store, answered

SLOTS = "tg:rl:{t1}:slots:0"


def cancel_once_answered(task: "asyncio.Task[Verdict]", limiter: ValkeyLimiter) -> None:
    """Cancel a take in the turn of the loop in which its answer came."""
    if limiter.client.is_idle:
        task.cancel()
    else:
        loop = asyncio.get_running_loop()
        loop.call_soon(cancel_once_answered, task, limiter)


async def test_processes_share_what_there_is(connect: Connect) -> None:
    limiters = [await connect() for _ in range(3)]
    charges = (requests(20, window_us=HOUR_US), slot(20))
    verdicts = await asyncio.gather(
        *(each.take(new_id(), charges) for each in limiters for _ in range(30))
    )
    assert sum(verdict.allowed for verdict in verdicts) == 20


async def test_only_the_clock_of_the_store_counts(connect: Connect) -> None:
    """Of two hosts, one is a day ahead and one has stopped."""
    day_us = 86_400_000_000
    ahead = await connect(slots=SlotBook(clock=lambda: 10 * day_us))
    stopped = await connect(slots=SlotBook(clock=lambda: 0))
    charges = (requests(5, window_us=HOUR_US), slot(5))
    allowed = [
        (await each.take(new_id(), charges)).allowed
        for _ in range(5)
        for each in (ahead, stopped)
    ]
    assert allowed == [True] * 5 + [False] * 5


async def test_every_key_carries_its_tenant_and_lapses(
    connect: Connect, store: Store
) -> None:
    limiter = await connect()
    charges = (requests(5), tokens(900, limit=1000), slot(2))
    running = new_id()
    await limiter.take(running, charges)
    assert 0 < store.admin.pttl(SLOTS) <= SLOT_US // 1000
    store.admin.persist(SLOTS)
    limiter.renew([running])
    limiter.settle(new_id(), charges, {Unit.TOKENS: 1400})
    await answered(limiter)
    lives = {key: store.admin.pttl(key) for key in store.admin.scan_iter()}
    assert all(re.fullmatch(r"tg:rl:\{t1\}:[\w:]+", key) for key in lives)
    assert 0 < lives["tg:rl:{t1}:requests:60000000"] <= 12_001
    assert 0 < lives[SLOTS] <= SLOT_US // 1000
    # A debt lives as long as it takes to pay it.
    assert lives[f"tg:rl:{{t1}}:tokens:{HOUR_US}"] == pytest.approx(
        1.4 * HOUR_US / 1000, rel=0.01
    )


async def test_nothing_is_kept_of_what_was_given_back(
    connect: Connect, store: Store
) -> None:
    limiter = await connect()
    charges = (requests(5), tokens(900, limit=1000), slot(2))
    request_id = new_id()
    await limiter.take(request_id, charges)
    limiter.give_back(request_id, charges)
    await answered(limiter)
    assert set(store.admin.scan_iter()) <= {"tg:rl:{t1}:answered:60000000"}


async def test_slots_of_a_dead_process_lapse_and_those_renewed_do_not(
    connect: Connect, store: Store
) -> None:
    limiter, dead = await connect(), await connect()
    running = new_id()
    await limiter.take(running, (slot(2),))
    await dead.take(new_id(), (slot(2),))
    assert not (await limiter.take(new_id(), (slot(2),))).allowed
    # One half of their lives passes before they are renewed, and one after it.
    store.age(SLOTS, SLOT_US // 2)
    limiter.renew([running])
    await answered(limiter)
    store.age(SLOTS, SLOT_US // 2)
    [standing] = (await limiter.take(new_id(), (slot(2),))).standings
    assert standing.remaining == 0
    assert not (await dead.take(new_id(), (slot(2),))).allowed


async def test_many_slots_are_renewed_in_one_go(connect: Connect, store: Store) -> None:
    limiter = await connect()
    ids = [new_id() for _ in range(RENEWED_AT_ONCE + 7)]
    for request_id in ids:
        limiter.slots.add(request_id, (slot(9).rule.key,))
    limiter.renew(ids)
    await answered(limiter)
    assert store.admin.zcard(SLOTS) == len(ids)


async def test_a_store_that_was_flushed_learns_of_slots_again(
    connect: Connect, store: Store
) -> None:
    limiter = await connect()
    running, charges = new_id(), (requests(1), slot(1))
    assert (await limiter.take(running, charges)).allowed
    store.admin.flushall()
    limiter.renew([running])
    assert (await limiter.take(new_id(), (requests(1),))).allowed
    assert not (await limiter.take(new_id(), (slot(1),))).allowed


async def test_a_store_that_forgot_the_scripts_is_told_them(
    connect: Connect, store: Store
) -> None:
    limiter = await connect()
    charges = (requests(1, window_us=HOUR_US), slot(1))
    for _ in range(2):
        store.admin.script_flush()
        request_id = new_id()
        assert (await limiter.take(request_id, charges)).allowed
        store.admin.script_flush()
        limiter.renew([request_id])
        limiter.give_back(request_id, charges)
        await answered(limiter)
    assert limiter.metrics.unsaid == 0


async def test_an_answer_that_comes_too_late_is_given_back(
    connect: Connect, store: Store
) -> None:
    limiter = await connect(deadline_s=0.02)
    charges = (requests(1, window_us=HOUR_US), slot(1))
    store.freeze()
    try:
        with pytest.raises(StoreAwayError, match="in time"):
            await limiter.take(new_id(), charges)
    finally:
        store.thaw()
    other = await connect()
    await eventually(lambda: not store.admin.exists(SLOTS))
    assert (await other.take(new_id(), charges)).allowed


async def test_a_cancelled_take_is_given_back(connect: Connect, store: Store) -> None:
    limiter = await connect()
    charges = (requests(1, window_us=HOUR_US), slot(1))
    for turns in (1, 2, 3):
        task = asyncio.create_task(limiter.take(new_id(), charges))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    # What was taken and then what was given back: nothing else is under way any more.
    await answered(limiter)
    await answered(limiter)
    # And one whose answer is there, but which has not been told of it yet.
    task = asyncio.create_task(limiter.take(new_id(), charges))
    asyncio.get_running_loop().call_soon(cancel_once_answered, task, limiter)
    with pytest.raises(asyncio.CancelledError):
        await task
    await answered(limiter)
    await answered(limiter)
    assert store.admin.zcard(SLOTS) == 0
    assert (await limiter.take(new_id(), charges)).allowed


@pytest.mark.parametrize("how", ["replica", "full"])
async def test_a_store_that_cannot_write_is_away(
    connect: Connect, store: Store, how: str
) -> None:
    limiter = await connect()
    await limiter.probe()
    if how == "replica":
        store.admin.replicaof("127.0.0.1", 1)
    else:
        store.admin.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreAwayError, match=r"READONLY|OOM"):
            await limiter.take(new_id(), (requests(1),))
        with pytest.raises(StoreAwayError, match=r"READONLY|OOM"):
            await limiter.probe()
    finally:
        store.admin.replicaof("NO", "ONE")
        store.admin.config_set("maxmemory", 0)
    await limiter.probe()


async def test_a_store_that_answers_and_does_not_count_is_away() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(b"$3\r\n1 0\r\n" * data.count(b"EVAL"))
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = StoreClient(parse_address(url), deadline_s=5.0)
        assert await client.connected(seconds_max=10)
        with pytest.raises(StoreAwayError, match="does not count"):
            await ValkeyLimiter(client).probe()
        await client.close()
