"""The way to engines behind TLS: through a proxy, to those of a trusted name."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from inference.engines.client import EnginePool
from inference.engines.origin import EngineUnreachableError, Origin, Timeouts
from inference.engines.tunnel import Proxy, TunnelError, open_tunnel
from tests.inference.engines.authority import Authority, make_authority
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import whole

TIMEOUTS = Timeouts(connect=2.0, first_byte=5.0, idle=5.0)
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority."""
    return make_authority(tmp_path_factory.mktemp("authority"))


def echo(side: EngineSide) -> None:
    """Answer each request with its own body."""
    while request := side.request():
        side.send(whole(request.body))


def passing(to: str) -> Callable[[EngineSide], None]:
    """Return a proxy that opens the way to this address, whatever it is asked for."""
    port = Origin.parse(to).port

    def carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def script(side: EngineSide) -> None:
        side.request()
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            side.send(OPENED)
            back = threading.Thread(target=carry, args=(beyond, side.sock))
            back.start()
            carry(side.sock, beyond)
            back.join(10)

    return script


@contextlib.asynccontextmanager
async def pool_of(proxy: str, authority: Authority) -> AsyncIterator[EnginePool]:
    """Open a pool that goes through a proxy."""
    pool = EnginePool(timeouts=TIMEOUTS, ca_file=str(authority.file), proxy=proxy)
    try:
        yield pool
    finally:
        await pool.close()


async def test_an_engine_is_reached_through_the_proxy(authority: Authority) -> None:
    with (
        scripted_engine(echo, tls=authority.serving) as engine,
        scripted_engine(passing(engine.url)) as proxy,
    ):
        address = proxy.url.replace("http://", "http://user:p%40ss@")
        async with pool_of(address, authority) as pool:
            origin = Origin.parse(engine.url)
            for size in (5, 300_000):
                exchange = await pool.request(
                    origin, method="POST", path="/x", headers={}, body=b"x" * size
                )
                assert await exchange.head() == 200
                assert await exchange.read_all(bytes_max=size) == b"x" * size
                exchange.close()
    [connect] = proxy.requests
    assert (connect.method, connect.target) == ("CONNECT", origin.authority)
    assert connect.header("proxy-authorization") == "Basic dXNlcjpwQHNz"
    assert [request.target for request in engine.requests] == ["/x", "/x"]
    assert engine.requests[0].header("proxy-authorization") is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nand more",
        b"x" * 20_000,
        b"",
    ],
)
async def test_a_proxy_that_opens_no_way_leaves_the_engine_out_of_reach(
    authority: Authority, answer: bytes
) -> None:
    def refuse(side: EngineSide) -> None:
        side.request()
        side.send(answer)
        if answer:
            side.wait_until_left()

    with scripted_engine(refuse) as proxy:
        at = Proxy.parse(proxy.url)
        assert at is not None
        with pytest.raises(TunnelError):
            await open_tunnel(at, Origin.parse("https://127.0.0.1:1"))
        async with pool_of(proxy.url, authority) as pool:
            with pytest.raises(EngineUnreachableError):
                await pool.request(
                    Origin.parse("https://127.0.0.1:1"),
                    method="POST",
                    path="/",
                    headers={},
                )


async def test_an_engine_in_the_clear_is_of_the_cluster_and_needs_no_proxy(
    authority: Authority,
) -> None:
    with scripted_engine(echo) as engine:
        async with pool_of("http://127.0.0.1:1", authority) as pool:
            exchange = await pool.request(
                Origin.parse(engine.url), method="POST", path="/", headers={}
            )
            assert await exchange.head() == 200
            exchange.close()


@pytest.mark.parametrize("through_proxy", [False, True])
async def test_whom_nobody_trusts_is_sent_nothing(
    authority: Authority, tmp_path: Path, through_proxy: bool
) -> None:
    strangers = make_authority(tmp_path)
    with (
        scripted_engine(echo, tls=strangers.serving) as engine,
        scripted_engine(passing(engine.url)) as proxy,
    ):
        async with pool_of(proxy.url if through_proxy else "", authority) as pool:
            with pytest.raises(EngineUnreachableError):
                await pool.request(
                    Origin.parse(engine.url), method="POST", path="/", headers={}
                )
    assert not engine.requests


@pytest.mark.parametrize("through_proxy", [False, True])
async def test_a_certificate_of_another_address_is_not_the_engine_s(
    tmp_path: Path, through_proxy: bool
) -> None:
    other = make_authority(tmp_path, address="127.0.0.2")
    with (
        scripted_engine(echo, tls=other.serving) as engine,
        scripted_engine(passing(engine.url)) as proxy,
    ):
        async with pool_of(proxy.url if through_proxy else "", other) as pool:
            with pytest.raises(EngineUnreachableError):
                await pool.request(
                    Origin.parse(engine.url), method="POST", path="/", headers={}
                )
    assert not engine.requests


def test_a_proxy_s_address_is_read() -> None:
    assert Proxy.parse("") is None
    assert Proxy.parse("http://proxy") == Proxy("proxy", 3128, "")
    assert Proxy.parse("http://[::1]:8") == Proxy("::1", 8, "")
