"""The engines' client on its own: addresses, heads, patience, what may be kept.

What it must do, it must do behind TLS too.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest

from inference.engines import client as client_module
from inference.engines.client import EnginePool
from inference.engines.exchange import BUFFER_BYTES_MAX, Exchange
from inference.engines.origin import (
    EngineLostError,
    EngineSilentError,
    EngineUnreachableError,
    Origin,
    Timeouts,
    request_head,
)
from tests.inference.engines.authority import Authority, make_authority
from tests.inference.engines.scripted import (
    EngineSide,
    Script,
    ScriptedEngine,
    scripted_engine,
)
from tests.inference.engines.wire import chunk, whole
from tests.inference.gateway.polling import wait_until

Serve = Callable[[Script], AbstractContextManager[ScriptedEngine]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority whose engines are trusted here."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def pool(authority: Authority) -> AsyncIterator[EnginePool]:
    """Give a pool of some patience."""
    pool = EnginePool(
        timeouts=Timeouts(connect=1.0, first_byte=10.0, idle=0.3),
        ca_file=str(authority.file),
    )
    yield pool
    await pool.close()


@pytest.fixture(params=["plain", "tls"])
def serve(request: pytest.FixtureRequest, authority: Authority) -> Serve:
    """Give what runs an engine, in the clear or behind TLS."""
    tls = authority.serving if request.param == "tls" else None
    return partial(scripted_engine, tls=tls)


def echo(side: EngineSide) -> None:
    """Answer each request with its own body."""
    while request := side.request():
        side.send(whole(request.body))


async def ask(
    pool: EnginePool, engine: ScriptedEngine, body: bytes = b"x", *, fresh: bool = False
) -> Exchange:
    """Send a request and read the head of its answer."""
    exchange = await pool.request(
        Origin.parse(engine.url),
        method="POST",
        path="/",
        headers={},
        body=body,
        fresh=fresh,
    )
    await exchange.head()
    return exchange


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://a", Origin("a", 80, tls=False, prefix=""), "a:80"),
        ("http://a:9/v1", Origin("a", 9, tls=False, prefix=""), "a:9"),
        ("http://a/v1/", Origin("a", 80, tls=False, prefix=""), "a:80"),
        ("https://a/x/v1", Origin("a", 443, tls=True, prefix="/x"), "a:443"),
        ("http://[::1]:8", Origin("::1", 8, tls=False, prefix=""), "[::1]:8"),
    ],
)
def test_an_address_is_read(url: str, origin: Origin, authority: str) -> None:
    assert Origin.parse(url) == origin
    assert origin.authority == authority


def test_a_head_names_the_length_wherever_there_may_be_a_body() -> None:
    origin = Origin("h", 1, tls=False, prefix="/p")
    for method, length, shown in (
        ("GET", 0, False),
        ("POST", 0, True),
        ("GET", 3, True),
    ):
        head = request_head(
            origin, method=method, path="/x", headers={"a": "é"}, length=length
        )
        assert head.startswith(f"{method} /p/x HTTP/1.1\r\nhost: h:1\r\n".encode())
        assert b"a: \xe9\r\n" in head
        assert (b"content-length: %d\r\n" % length in head) == shown
        assert head.endswith(b"\r\n\r\n")
    theirs = request_head(
        origin, method="GET", path="/", headers={"host": "t"}, length=0
    )
    assert theirs.count(b"host: ") == 1


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 3_000_000])
async def test_bodies_of_any_size_go_and_come_back(
    serve: Serve, pool: EnginePool, size: int
) -> None:
    with serve(echo) as engine:
        exchange = await ask(pool, engine, b"x" * size)
        assert await exchange.read_all(bytes_max=size) == b"x" * size
        exchange.close()


async def test_a_connection_is_kept_only_after_its_answer_was_read(
    serve: Serve,
    pool: EnginePool,
) -> None:
    with serve(echo) as engine:
        read = await ask(pool, engine)
        await read.read_all(bytes_max=10)
        read.close()
        again = await ask(pool, engine)
        assert again.is_reused
        again.close()  # Its answer is not read: it is cut off.
        other = await ask(pool, engine)
        assert not other.is_reused
        other.close()
        assert len(engine.connections) == 2


async def test_a_fresh_connection_is_fresh(serve: Serve, pool: EnginePool) -> None:
    with serve(echo) as engine:
        kept = await ask(pool, engine)
        await kept.read_all(bytes_max=10)
        kept.close()
        fresh = await ask(pool, engine, fresh=True)
        assert not fresh.is_reused
        fresh.close()
        assert len(engine.connections) == 2


async def test_an_old_connection_is_not_used(
    pool: EnginePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_engine(echo) as engine:
        kept = await ask(pool, engine)
        await kept.read_all(bytes_max=10)
        kept.close()
        monkeypatch.setattr(client_module, "IDLE_S_MAX", -1.0)
        younger = await ask(pool, engine)
        assert younger is not kept
        assert not kept.is_open
        younger.close()


@pytest.mark.parametrize(
    "data",
    [
        whole(b"x", close=True),
        b"HTTP/1.0 200 X\r\ncontent-length: 1\r\n\r\nx",
        whole(b"x") + b"more",
        whole(b"x") + whole(b"another"),
    ],
)
async def test_a_connection_that_is_not_clean_is_not_kept(
    serve: Serve, pool: EnginePool, data: bytes
) -> None:
    def answer(side: EngineSide) -> None:
        while side.request():
            side.send(data)

    with serve(answer) as engine:
        first = await ask(pool, engine)
        assert await first.read_all(bytes_max=10) == b"x"
        first.close()
        second = await ask(pool, engine)
        assert len(engine.connections) == 2
        assert await second.read_all(bytes_max=10) == b"x"
        second.close()


async def test_interim_answers_are_skipped(serve: Serve, pool: EnginePool) -> None:
    def hint_first(side: EngineSide) -> None:
        side.request()
        side.send(b"HTTP/1.1 103 X\r\nlink: a\r\n\r\n", whole(b"x"))

    with serve(hint_first) as engine:
        exchange = await ask(pool, engine)
        assert exchange.status == 200
        assert b"link" not in dict(exchange.headers)
        assert await exchange.read_all(bytes_max=1) == b"x"
        exchange.close()


async def test_an_interrupt_reaches_its_own_exchange_only(
    serve: Serve, pool: EnginePool
) -> None:
    with serve(echo) as engine:
        exchange = await ask(pool, engine)
        stale = exchange.interrupter()
        await exchange.read_all(bytes_max=1)
        exchange.close()
        stale(RuntimeError("too late"))
        other = await ask(pool, engine, b"y")
        assert other.is_reused
        stale(RuntimeError("of another"))
        assert await other.read_all(bytes_max=1) == b"y"
        other.close()


async def test_an_interrupt_wakes_a_reader(serve: Serve, pool: EnginePool) -> None:
    def stall(side: EngineSide) -> None:
        side.request()
        side.wait_until_left()

    with serve(stall) as engine:
        origin = Origin.parse(engine.url)
        exchange = await pool.request(origin, method="GET", path="/", headers={})
        reading = asyncio.create_task(exchange.head())
        pool.loop.call_soon(exchange.interrupter(), KeyError("now"))
        with pytest.raises(KeyError):
            await reading
        exchange.close()
        assert await asyncio.to_thread(engine.left.wait, 10)
        assert not pool.running


async def test_silence_is_measured_while_somebody_waits(
    serve: Serve, pool: EnginePool
) -> None:
    def one_part(side: EngineSide) -> None:
        side.request()
        side.send(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n", chunk(b"x"))
        assert go_on.wait(10)
        side.send(chunk(b"y"))
        side.wait_until_left()

    go_on = threading.Event()
    with serve(one_part) as engine:
        exchange = await ask(pool, engine)
        assert await exchange.read() == b"x"
        # Nobody waits: the deadline passes many times over and means nothing.
        exchange.interrupt_if_late(pool.loop.time() + 99)
        go_on.set()
        assert await exchange.read() == b"y"
        with pytest.raises(EngineSilentError):
            await exchange.read()
        exchange.close()


async def test_an_endless_head_is_not_waited_for(pool: EnginePool) -> None:
    def fill(side: EngineSide) -> None:
        side.request()
        side.send(b"HTTP/1.1 200 X\r\n" + b"x-filler: 0123456789\r\n" * 10_000)
        side.wait_until_left()

    with scripted_engine(fill) as engine:
        origin = Origin.parse(engine.url)
        exchange = await pool.request(origin, method="GET", path="/", headers={})
        with pytest.raises(EngineLostError, match="too large"):
            await exchange.head()
        exchange.close()


async def test_what_nobody_reads_is_bounded(pool: EnginePool) -> None:
    def flood(side: EngineSide) -> None:
        side.request()
        side.send(b"HTTP/1.1 200 X\r\ncontent-length: 50000000\r\n\r\n")
        side.send(b"x" * 50_000_000)

    with scripted_engine(flood) as engine:
        exchange = await ask(pool, engine)
        await asyncio.to_thread(wait_until, lambda: exchange._reading_paused)
        assert BUFFER_BYTES_MAX < exchange._buffered < BUFFER_BYTES_MAX + 1024 * 1024
        with pytest.raises(EngineLostError, match="too large"):
            await exchange.read_all(bytes_max=10_000_000)
        exchange.close()


async def test_an_answer_of_no_stated_length_ends_with_its_connection(
    serve: Serve,
    pool: EnginePool,
) -> None:
    def until_the_end(side: EngineSide) -> None:
        side.request()
        side.send(b"HTTP/1.1 200 X\r\n\r\nall of it")
        if side.number == 2:
            side.reset()

    with serve(until_the_end) as engine:
        whole_one = await ask(pool, engine)
        assert await whole_one.read_all(bytes_max=100) == b"all of it"
        whole_one.close()
        broken = await ask(pool, engine)
        with pytest.raises(EngineLostError):
            await broken.read_all(bytes_max=100)
        broken.close()


async def test_nobody_at_the_address_is_unreachable(pool: EnginePool) -> None:
    with scripted_engine(echo) as engine:
        url = engine.url
    for address in (url, "http://no-such-host.invalid"):
        with pytest.raises(EngineUnreachableError):
            await pool.request(
                Origin.parse(address), method="GET", path="/", headers={}
            )


async def test_a_closing_pool_ends_what_runs_and_what_is_kept() -> None:
    pool = EnginePool(timeouts=Timeouts(connect=1.0, first_byte=10.0, idle=10.0))

    def once(side: EngineSide) -> None:
        if side.number == 1:
            side.request()
            side.send(whole(b"x"))
        side.wait_until_left()

    with scripted_engine(once) as engine:
        kept = await ask(pool, engine)
        await kept.read_all(bytes_max=1)
        kept.close()
        origin = Origin.parse(engine.url)
        running = await pool.request(
            origin, method="GET", path="/", headers={}, fresh=True
        )
        await pool.close()
        with pytest.raises(EngineLostError):
            await running.head()
        running.close()
        assert not kept.is_open
