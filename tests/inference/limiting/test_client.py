"""Staying connected: over a socket, TCP and TLS; what breaks, and what hangs."""

import asyncio
import datetime as dt
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inference.limiting import connection as connections
from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from inference.limiting.connection import StoreAwayError, Waiting
from inference.limiting.resp import Argument, Reply, encode
from tests.eventually import eventually
from tests.inference.limiting.store import Store


@asynccontextmanager
async def connected(url: str, *, deadline_s: float = 5.0) -> AsyncIterator[StoreClient]:
    client = StoreClient(parse_address(url), deadline_s=deadline_s)
    assert await client.connected(seconds_max=10)
    yield client
    await client.close()


async def ask(client: StoreClient, *arguments: Argument) -> Reply:
    waiting: Waiting = client.loop.create_future()
    client.send(encode(*arguments), waiting)
    return await waiting


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


async def test_commands_of_one_turn_leave_in_one_write(store: Store) -> None:
    admin = store.admin
    async with connected(store.url) as client:
        replies = await asyncio.gather(*(ask(client, "INCR", "n") for _ in range(50)))
        assert replies == list(range(1, 51))
        before = admin.info("stats")["total_reads_processed"]
        await asyncio.gather(*(ask(client, "INCR", "n") for _ in range(50)))
        after = admin.info("stats")["total_reads_processed"]
    # One of them is the question itself.
    assert after - before <= 3


async def test_it_logs_in_and_selects_over_tcp(tmp_path: Path) -> None:
    port = free_port()
    with Store(tmp_path) as own:
        plain = f"127.0.0.1:{port}"
        admin = own.admin
        admin.config_set("port", port)
        admin.config_set("requirepass", "word")
        async with connected(f"redis://default:word@{plain}/3") as client:
            assert await ask(client, "SET", "a", "b") == b"OK"
        assert admin.info("keyspace").keys() == {"db3"}
        async with connected(f"redis://:word@{plain}") as client:
            assert await ask(client, "DBSIZE") == 0
        wrong = StoreClient(parse_address(f"redis://:wrong@{plain}"), deadline_s=1.0)
        assert not await wrong.connected(seconds_max=0.3)
        with pytest.raises(StoreAwayError, match="no connection"):
            await ask(wrong, "PING")
        await wrong.close()


async def test_it_speaks_tls_and_trusts_nobody_by_default(
    store: Store, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    proxy = await asyncio.start_server(
        lambda reader, writer: pass_on(reader, writer, store.path),
        "127.0.0.1",
        0,
        ssl=context,
    )
    async with proxy:
        url = f"rediss://localhost:{proxy.sockets[0].getsockname()[1]}"
        async with connected(f"{url}?ssl_ca_certs={certificate}") as client:
            assert await ask(client, "PING") == b"PONG"
        stranger = StoreClient(parse_address(url), deadline_s=1.0)
        assert not await stranger.connected(seconds_max=0.3)
        await stranger.close()


async def test_a_lost_connection_is_told_at_once_and_made_again(tmp_path: Path) -> None:
    with Store(tmp_path) as own:
        async with connected(own.url) as client:
            own.freeze()
            asked = asyncio.create_task(ask(client, "PING"))
            await asyncio.sleep(0.01)
            own.kill()
            with pytest.raises(StoreAwayError, match="lost"):
                await asked
            own.start()
            assert await client.connected(seconds_max=10)
            assert await ask(client, "PING") == b"PONG"


async def test_a_connection_that_hangs_is_dropped_though_nobody_asks(
    store: Store,
) -> None:
    async with connected(store.url, deadline_s=0.05) as client:
        before = client._connection
        store.freeze()
        try:
            await eventually(lambda: client._connection is not before)
        finally:
            store.thaw()
        assert await client.connected(seconds_max=10)


async def test_what_is_no_store_is_dropped() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"redis://127.0.0.1:{port}") as client:
            with pytest.raises(StoreAwayError, match="lost"):
                await ask(client, "PING")


async def test_a_slow_store_is_waited_for_until_the_deadline() -> None:
    pauses_s = [0.3, 0.9]

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            await asyncio.sleep(pauses_s.pop(0) if pauses_s else 0)
            writer.write(b"+PONG\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with connected(url, deadline_s=0.5) as client:
            assert await ask(client, "PING") == b"PONG"
            with pytest.raises(StoreAwayError, match="in time"):
                await ask(client, "PING")


async def test_no_more_is_under_way_than_is_bearable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNDER_WAY_MAX", 10)
    async with connected(store.url) as client:
        answers = await asyncio.gather(
            *(ask(client, "PING") for _ in range(15)), return_exceptions=True
        )
    assert answers[:10] == [b"PONG"] * 10
    assert all(isinstance(answer, StoreAwayError) for answer in answers[10:])


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_process_that_was_held_up_does_not_blame_the_store(
    store: Store, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The answer has come meanwhile: it is read before the deadline is looked at."""

    async def be_held_up() -> None:
        async with connected(store.url, deadline_s=0.02) as client:
            for _ in range(5):
                asked = asyncio.create_task(ask(client, "PING"))
                # The command leaves, and then nothing runs for several deadlines.
                asyncio.get_running_loop().call_soon(hold_up, 1)
                assert await asked == b"PONG"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(be_held_up())


def hold_up(turns: int) -> None:
    """Block the event loop for much longer than the deadline, some turns from now."""
    if turns:
        asyncio.get_running_loop().call_soon(hold_up, turns - 1)
    else:
        time.sleep(0.15)


async def pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path
) -> None:
    """Pass everything on to the socket at `path`, and back."""
    there, back = await asyncio.open_unix_connection(str(path))

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            sink.write(data)
        sink.close()

    await asyncio.gather(
        copy(reader, back), copy(there, writer), return_exceptions=True
    )


def self_signed(folder: Path) -> Path:
    """Return a file with a certificate of localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
