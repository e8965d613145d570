"""The reader counts what it was sent, to the event, and leaves when it was told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from tests.inference.engines import wire
from tests.standins.reading_proxy import (
    LOOPBACK,
    Drop,
    Farewell,
    Habits,
    Moment,
    Reading,
    reading_proxy,
)
from tests.standins.transcript import Transcript

TOKENS = 5
TOKEN_BYTES = len(wire.token(1)) - len(b"\n\n")
STREAM = b"".join(
    (
        wire.STREAM_HEAD,
        *map(wire.chunk, map(wire.token, range(1, TOKENS + 1))),
        *map(wire.chunk, (wire.finish(TOKENS), wire.usage(TOKENS), wire.DONE)),
        wire.STREAM_END,
    )
)
HEAD_BYTES = len(wire.STREAM_HEAD)
TEXT = " t1 t2 t3 t4 t5"
# The first token as it comes, whole.
FIRST_BYTES = len(wire.chunk(wire.token(1)))

Ask = Callable[..., Awaitable[Reading]]


class Sender:
    """A server that sends one answer to whoever asks, and sees how it is left."""

    def __init__(self) -> None:
        self.answer = STREAM
        self.port = 0
        self.left: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer the request and wait for the reader to leave."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        try:
            left = "reset" if await reader.read(1) else "goodbye"
        except ConnectionResetError:
            left = "reset"
        self.left.set_result(left)
        writer.close()


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    made = Sender()
    server = await asyncio.start_server(made.serve, LOOPBACK, 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
def ask(sender: Sender) -> Ask:
    async def ask(drop: Drop | None = None, habits: Habits | None = None) -> Reading:
        async with (
            reading_proxy(LOOPBACK, sender.port, drop=drop, habits=habits) as reading,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            try:
                answer = await client.get(reading.url)
                assert drop is None or drop.moment is Moment.AFTER_DONE
                assert answer.text.endswith("data: [DONE]\n\n")
            except httpx.TransportError:
                assert drop is not None
            await asyncio.wait_for(reading.ended.wait(), 10)
        return reading

    return ask


@pytest.mark.parametrize("habits", [None, Habits(receive_bytes=1, read_bytes=7)])
async def test_reads_an_answer_to_its_end(ask: Ask, habits: Habits | None) -> None:
    reading = await ask(None, habits)
    seen = reading.received
    assert (seen.status, seen.texts, seen.pieces) == (200, {0: TEXT}, TOKENS)
    assert (seen.finish_reasons, seen.running) == ({0: "stop"}, {0: TOKENS})
    assert seen.usage is not None
    assert seen.is_done
    assert seen.is_complete
    assert seen.bytes_read == len(STREAM)
    assert reading.at_drop is None


@pytest.mark.parametrize("farewell", Farewell)
@pytest.mark.parametrize("after", range(1, TOKENS + 1))
async def test_leaves_after_so_many_pieces(
    ask: Ask, sender: Sender, after: int, farewell: Farewell
) -> None:
    reading = await ask(Drop(Moment.AT_PIECE, after, farewell))
    assert reading.received.texts == {0: TEXT[: 3 * after]}
    expected = "goodbye" if farewell is Farewell.FIN else "reset"
    assert await asyncio.wait_for(sender.left, 10) == expected


async def test_what_comes_after_a_goodbye_is_told_apart(ask: Ask) -> None:
    reading = await ask(Drop(Moment.AT_PIECE, 2))
    assert (reading.received.pieces, reading.arrived.pieces) == (2, TOKENS)
    assert reading.arrived.bytes_read == len(STREAM)


async def test_before_a_reset_the_kernel_says_what_was_not_read(ask: Ask) -> None:
    reading = await ask(Drop(Moment.AT_BYTE, HEAD_BYTES, Farewell.RST))
    assert reading.received.bytes_read == HEAD_BYTES
    assert reading.sockets is not None
    unread = len(STREAM) - HEAD_BYTES
    assert reading.sockets.unread_bytes == unread <= reading.sockets.bytes_max


async def test_leaves_within_an_event(ask: Ask) -> None:
    reading = await ask(Drop(Moment.IN_EVENT, 3, Farewell.RST))
    assert (reading.received.pieces, reading.received.is_within_event) == (3, True)


@pytest.mark.parametrize("after", [1, HEAD_BYTES, HEAD_BYTES + 100, 700])
async def test_leaves_after_exactly_so_many_bytes(ask: Ask, after: int) -> None:
    reading = await ask(Drop(Moment.AT_BYTE, after, Farewell.RST))
    assert reading.received.bytes_read == after


async def test_leaves_before_and_after_the_head(ask: Ask) -> None:
    before = await ask(Drop(Moment.BEFORE_HEAD, 0))
    assert (before.received.status, before.received.bytes_read) == (0, 0)


async def test_leaves_after_the_head_and_after_the_end(
    ask: Ask, sender: Sender
) -> None:
    reading = await ask(Drop(Moment.AFTER_HEAD))
    assert (reading.received.status, reading.received.pieces) == (200, 0)
    sender.left = asyncio.get_running_loop().create_future()
    reading = await ask(Drop(Moment.AFTER_DONE))
    assert reading.received.is_done


async def test_leaving_happens_within_what_is_put_around_it(sender: Sender) -> None:
    order: list[str] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        order.append("before" if not sender.left.done() else "too late")
        yield
        order.append(await asyncio.wait_for(sender.left, 10))

    async with (
        reading_proxy(
            LOOPBACK, sender.port, drop=Drop(Moment.AFTER_HEAD), around=around
        ) as reading,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        with pytest.raises(httpx.TransportError):
            await client.get(reading.url)
    assert order == ["before", "goodbye"]


@pytest.mark.parametrize("size", [1, 2, 3, 50, 10_000])
def test_a_transcript_is_the_same_however_its_bytes_are_cut(size: int) -> None:
    whole, cut = Transcript(), Transcript()
    whole.feed(STREAM)
    for start in range(0, len(STREAM), size):
        cut.feed(STREAM[start : start + size])
    assert cut.seen == whole.seen
    assert whole.seen.piece_bytes_min == TOKEN_BYTES


def test_a_transcript_tells_choices_apart_and_keeps_errors() -> None:
    transcript = Transcript()
    events = (wire.token(1), wire.token(1, index=1), wire.token(2, index=1))
    error = wire.event({"error": {"message": "boom", "code": "engine_failed"}})
    transcript.feed(wire.STREAM_HEAD)
    for event in (b": still here\n\n", *events, error):
        transcript.feed(wire.chunk(event))
    assert transcript.seen.texts == {0: " t1", 1: " t1 t2"}
    assert transcript.seen.error == {"message": "boom", "code": "engine_failed"}
    assert not transcript.seen.is_complete


def test_a_whole_answer_counts_once_its_last_byte_has_come() -> None:
    transcript = Transcript()
    data = wire.whole(orjson.dumps(wire.answer(" t1 t2", output=2)))
    transcript.feed(data[:-1])
    assert not transcript.seen.texts
    transcript.feed(data[-1:])
    assert (transcript.seen.texts, transcript.seen.running) == ({0: " t1 t2"}, {0: 2})


async def test_a_gateway_that_cannot_be_reached_raises() -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async def ask_nobody() -> None:
        async with (
            reading_proxy(LOOPBACK, port) as reading,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            with pytest.raises(httpx.TransportError):
                await client.get(reading.url)

    with pytest.raises(ConnectionRefusedError):
        await ask_nobody()


async def test_a_stranger_that_comes_by_is_not_taken_for_the_client() -> None:
    """Whoever still asks at a port that was somebody else's a moment ago."""
    asked: list[bytes] = []
    goes_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if len(asked) > 1:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        else:
            writer.write(STREAM[: HEAD_BYTES + FIRST_BYTES])
            await goes_on.wait()
            writer.write(STREAM[HEAD_BYTES + FIRST_BYTES :])
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    async with reading_proxy(LOOPBACK, port) as reading:
        at = int(reading.url.rpartition(":")[2])
        client, to_client = await asyncio.open_connection(LOOPBACK, at)
        to_client.write(b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n")
        await client.readexactly(HEAD_BYTES + FIRST_BYTES)
        stranger, to_stranger = await asyncio.open_connection(LOOPBACK, at)
        to_stranger.write(b"GET /readyz HTTP/1.1\r\nhost: gate\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not await asyncio.wait_for(stranger.read(), 10)
        goes_on.set()
        await asyncio.wait_for(reading.ended.wait(), 10)
        for writer in (to_client, to_stranger):
            writer.close()
    server.close()
    assert (reading.received.texts, reading.received.is_done) == ({0: TEXT}, True)
    assert len(asked) == 1
