"""A body that is poured: `take` is called by the loop, as long as it wants more."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from inference.engines.client import EnginePool
from inference.engines.exchange import Exchange
from inference.engines.origin import EngineSilentError, Origin, Timeouts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import whole

WORDS = (b"one ", b"two ", b"three ")


@pytest.fixture
async def pool() -> AsyncIterator[EnginePool]:
    """Give a pool of little patience with the next byte."""
    pool = EnginePool(timeouts=Timeouts(connect=1.0, first_byte=10.0, idle=0.3))
    yield pool
    await pool.close()


class Taking:
    """Takes a body until it has as much as it wants."""

    def __init__(self, size: int = 1_000) -> None:
        self.body = b""
        self.size = size

    def __call__(self, data: bytes) -> bool:
        """Take a part, and tell whether another one can come."""
        self.body += data
        return len(self.body) < self.size


def speak(side: EngineSide) -> None:
    """Answer with all words, each in a write of its own."""
    while side.request():
        head, body = whole(b"".join(WORDS)).split(b"\r\n\r\n")
        side.send(head + b"\r\n\r\n")
        assert body == b"".join(WORDS)
        for word in WORDS:
            side.send(word)


def fall_silent(side: EngineSide) -> None:
    """Say the first word, and then nothing."""
    side.request()
    head, _ = whole(b"".join(WORDS)).split(b"\r\n\r\n")
    side.send(head + b"\r\n\r\n" + WORDS[0])
    side.request()


async def ask(pool: EnginePool, url: str) -> Exchange:
    """Send a request and read the head of its answer."""
    exchange = await pool.request(
        Origin.parse(url), method="POST", path="/", headers={}, body=b"x"
    )
    await exchange.head()
    return exchange


async def test_all_of_it_is_taken_and_its_end_told(pool: EnginePool) -> None:
    with scripted_engine(speak) as engine:
        for _ in range(2):
            exchange, taking = await ask(pool, engine.url), Taking()
            assert await exchange.pour(taking)
            assert taking.body == b"".join(WORDS)
            exchange.close()
        # Read to its end, a connection is kept.
        assert len(engine.connections) == 1


async def test_who_has_enough_is_given_no_more_and_may_go_on(pool: EnginePool) -> None:
    with scripted_engine(speak) as engine:
        exchange, taking = await ask(pool, engine.url), Taking(size=1)
        assert not await exchange.pour(taking)
        seen = len(taking.body)
        assert seen
        taking.size = 1_000
        assert await exchange.pour(taking)
        assert taking.body == b"".join(WORDS)


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_taking_raises_is_raised_to_who_waits(
    pool: EnginePool, is_late: bool
) -> None:
    """Whether it was there already, or comes while nobody but the loop looks."""
    go_on = threading.Event()

    def speak_when_told(side: EngineSide) -> None:
        side.request()
        side.send(whole(b"".join(WORDS)).split(WORDS[0])[0])
        go_on.wait(5)
        side.send(b"".join(WORDS))

    def refuse(data: bytes) -> bool:
        raise ValueError(data)

    with scripted_engine(speak_when_told) as engine:
        exchange = await ask(pool, engine.url)
        if not is_late:
            go_on.set()
            await exchange.begun()
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        with pytest.raises(ValueError, match="one"):
            await exchange.pour(refuse)
        exchange.close()


async def test_silence_between_two_parts_is_noticed(pool: EnginePool) -> None:
    with scripted_engine(fall_silent) as engine:
        exchange, taking = await ask(pool, engine.url), Taking()
        with pytest.raises(EngineSilentError):
            await exchange.pour(taking)
        assert taking.body == WORDS[0]
        exchange.close()


async def test_an_interrupt_at_once_drops_what_has_come(pool: EnginePool) -> None:
    with scripted_engine(speak) as engine:
        exchange, taking = await ask(pool, engine.url), Taking(size=1)
        await exchange.pour(taking)
        seen = taking.body
        exchange.interrupter()(ConnectionError("ended"), at_once=True)
        with pytest.raises(ConnectionError):
            await exchange.pour(taking)
        assert taking.body == seen
        exchange.close()
