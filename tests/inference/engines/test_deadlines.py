"""Every deadline of an engine's answer, swept by the one watchdog of the pool."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from inference.engines import client as client_module
from inference.engines.client import EnginePool
from inference.engines.exchange import Exchange
from inference.engines.origin import (
    Deadline,
    EngineLostError,
    EngineOverdueError,
    EngineSilentError,
    EngineUnreachableError,
    Origin,
    Timeouts,
)
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import STREAM_HEAD, chunk, whole

PATIENT = Timeouts(connect=5.0, first_byte=30.0, idle=30.0, total=60.0)


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EnginePool]:
    """Give a patient pool whose watchdog looks often."""
    monkeypatch.setattr(client_module, "SWEEP_S", 0.01)
    pool = EnginePool(timeouts=PATIENT)
    yield pool
    await pool.close()


async def sent(pool: EnginePool, url: str) -> Exchange:
    """Send a request."""
    return await pool.request(Origin.parse(url), method="GET", path="/", headers={})


def only_a_head(side: EngineSide) -> None:
    """Send the head of a stream, as vLLM does before it looks at the prompt."""
    side.request()
    side.send(STREAM_HEAD)
    side.wait_until_left()


def babble(side: EngineSide) -> None:
    """Stream without an end."""
    side.request()
    side.send(STREAM_HEAD)
    while not side.has_been_left(within_s=0.005):
        side.send(chunk(b"x"))


def nothing(side: EngineSide) -> None:
    """Take the request, and say nothing."""
    side.request()
    side.wait_until_left()


async def test_a_head_by_itself_is_no_first_byte(pool: EnginePool) -> None:
    pool.timeouts = replace(PATIENT, idle=0.05)
    with scripted_engine(only_a_head) as engine:
        exchange = await sent(pool, engine.url)
        await exchange.head()
        reading = asyncio.create_task(exchange.read())
        # Many times the patience between two pieces: none has come yet.
        done, _ = await asyncio.wait([reading], timeout=0.4)
        assert not done
        exchange.deadline = 0.0
        with pytest.raises(EngineSilentError):
            await reading
        exchange.close()
    assert pool.missed == {Deadline.FIRST_BYTE: 1}


async def test_silence_within_an_answer_is_measured_from_its_last_piece(
    pool: EnginePool,
) -> None:
    def one_piece(side: EngineSide) -> None:
        side.request()
        side.send(STREAM_HEAD, chunk(b"x"))
        side.wait_until_left()

    pool.timeouts = replace(PATIENT, idle=0.05)
    with scripted_engine(one_piece) as engine:
        exchange = await sent(pool, engine.url)
        assert await exchange.read()
        with pytest.raises(EngineSilentError):
            await exchange.read()
        exchange.close()
    assert pool.missed == {Deadline.IDLE: 1}


async def test_no_answer_goes_on_for_ever(pool: EnginePool) -> None:
    pool.timeouts = replace(PATIENT, total=0.2)
    with scripted_engine(babble) as engine:
        exchange = await sent(pool, engine.url)
        with pytest.raises(EngineOverdueError):
            await exchange.read_all(bytes_max=1000)
        exchange.close()
    assert pool.missed == {Deadline.TOTAL: 1}


async def test_an_overdue_engine_stops_though_its_reader_dawdles(
    pool: EnginePool,
) -> None:
    def flood(side: EngineSide) -> None:
        side.request()
        side.send(STREAM_HEAD, chunk(b"x"))
        side.wait_until_left()

    with scripted_engine(flood) as engine:
        exchange = await sent(pool, engine.url)
        assert await exchange.read()
        # Nobody reads: only the whole answer's own deadline can pass.
        assert exchange.interrupt_if_late(pool.loop.time() + 59) is None
        assert exchange.interrupt_if_late(pool.loop.time() + 61) is Deadline.TOTAL
        assert exchange.interrupt_if_late(pool.loop.time() + 62) is None
        assert await asyncio.to_thread(engine.left.wait, 10)
        with pytest.raises(EngineOverdueError):
            await exchange.read()
        exchange.close()


async def test_what_has_ended_is_not_overdue(pool: EnginePool) -> None:
    def answer(side: EngineSide) -> None:
        side.request()
        side.send(whole(b"x"))
        side.wait_until_left()

    with scripted_engine(answer) as engine:
        exchange = await sent(pool, engine.url)
        await exchange.begun()
        assert exchange.interrupt_if_late(pool.loop.time() + 9999) is None
        assert await exchange.read_all(bytes_max=10) == b"x"
        exchange.close()


async def test_a_connection_that_is_not_made_in_time_is_counted() -> None:
    pool = EnginePool(timeouts=replace(PATIENT, connect=0.0))
    with scripted_engine(nothing) as engine, pytest.raises(EngineUnreachableError):
        await sent(pool, engine.url)
    assert pool.missed == {Deadline.CONNECT: 1}
    await pool.close()


async def test_only_who_has_nothing_yet_gives_up_on_an_engine(pool: EnginePool) -> None:
    go_on = threading.Event()

    def first_only(side: EngineSide) -> None:
        side.request()
        if side.number == 1:
            side.send(STREAM_HEAD, chunk(b"x"))
            assert go_on.wait(10)
            side.send(chunk(b"y"))
        side.wait_until_left()

    with scripted_engine(first_only) as engine, scripted_engine(nothing) as other:
        origin = Origin.parse(engine.url)
        streaming = await sent(pool, engine.url)
        assert await streaming.read()
        waiting = await sent(pool, engine.url)
        elsewhere = await sent(pool, other.url)
        readers = [
            asyncio.create_task(each.read()) for each in (streaming, waiting, elsewhere)
        ]
        await asyncio.sleep(0)
        # Its stream has gone on since then: it lives.
        pool.give_up_on(origin, silent_since=pool.loop.time() - 9)
        await asyncio.sleep(0)
        assert not any(each.done() for each in readers)
        pool.give_up_on(origin, silent_since=pool.loop.time() + 9)
        with pytest.raises(EngineLostError):
            await readers[1]
        go_on.set()
        assert await readers[0]
        assert not readers[2].done()
        readers[2].cancel()
        for each in (streaming, waiting, elsewhere):
            each.close()
