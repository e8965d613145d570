"""The proxy breaks what it is told to break, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.eventually import eventually
from tests.standins.tcp_proxy import LOOPBACK, Direction, TcpProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self) -> None:
        self.got = b""
        self.is_left = False

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Echo until the client leaves."""
        try:
            while data := await reader.read(1024):
                self.got += data
                writer.write(data)
        except OSError:
            pass
        finally:
            self.is_left = True
            writer.transport.abort()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[TcpProxy]:
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    async with TcpProxy.before(f"tcp://user@{LOOPBACK}:{port}/path") as made:
        yield made
    server.close()


@pytest.fixture
async def client(proxy: TcpProxy) -> AsyncIterator[Streams]:
    port = int(proxy.url("tcp://user@127.0.0.1:1/path").rpartition(":")[2][:-5])
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    yield reader, writer
    writer.transport.abort()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Read until the connection ends, in whichever way it does."""
    got = b""
    try:
        while data := await asyncio.wait_for(reader.read(1024), 10):
            got += data
    except ConnectionError:
        pass
    return got


async def test_passes_everything_on(proxy: TcpProxy, client: Streams) -> None:
    reader, writer = client
    for size in (1, 10_000, 300_000):
        writer.write(b"x" * size)
        assert await reader.readexactly(size) == b"x" * size
    assert proxy.passed == dict.fromkeys(Direction, 310_001)
    assert (proxy.connections, proxy.cuts) == (1, 0)


@pytest.mark.parametrize("left", [0, 1, 4])
async def test_cuts_the_answer_after_so_many_bytes(
    proxy: TcpProxy, client: Streams, echo: Echo, left: int
) -> None:
    reader, writer = client
    proxy.cut_after(left, Direction.TO_CLIENT)
    writer.write(b"hello")

    assert await rest_of(reader) == b"hello"[:left]
    assert echo.got == b"hello"
    await eventually(lambda: echo.is_left)
    assert proxy.cuts == 1


@pytest.mark.parametrize("left", [0, 1, 4])
async def test_cuts_the_question_after_so_many_bytes(
    proxy: TcpProxy, client: Streams, echo: Echo, left: int
) -> None:
    reader, writer = client
    proxy.cut_after(left, Direction.TO_SERVER)
    writer.write(b"hello")

    await rest_of(reader)
    await eventually(lambda: echo.is_left)
    assert echo.got == b"hello"[:left]


async def test_exactly_so_many_bytes_are_no_cut(
    proxy: TcpProxy, client: Streams
) -> None:
    reader, writer = client
    proxy.cut_after(5, Direction.TO_CLIENT)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    assert proxy.cuts == 0
    writer.write(b"!")
    assert await rest_of(reader) == b""
    assert proxy.cuts == 1


async def test_frozen_passes_nothing_and_loses_nothing(
    proxy: TcpProxy, client: Streams, echo: Echo
) -> None:
    reader, writer = client
    proxy.freeze()
    writer.write(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.05)
    assert (echo.got, proxy.connections) == (b"", 1)

    proxy.thaw()
    assert await reader.readexactly(5) == b"hello"


async def test_dropped_and_refused(proxy: TcpProxy, client: Streams) -> None:
    reader, writer = client
    writer.write(b"hello")
    await reader.readexactly(5)
    proxy.refuse()
    proxy.drop()
    assert await rest_of(reader) == b""
    assert proxy.connections == 0


async def test_server_does_not_notice_that_clients_are_lost(
    proxy: TcpProxy, client: Streams, echo: Echo
) -> None:
    reader, writer = client
    writer.write(b"hello")
    await reader.readexactly(5)
    proxy.lose_clients()
    assert await rest_of(reader) == b""
    assert not echo.is_left
