"""`drained()` is exact, by the kernel's own figures.

It returns when nothing that was written is left in this process, and raises when the
client is lost. So what a reader gets that stops at any byte is what is billed.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from inference.gateway.connection import ClientGoneError
from inference.gateway.handover import PIECE_BYTES
from inference.gateway.http import HttpRequest
from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, Script, scripted_engine
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.kernel import (
    SMALLEST_BUFFER,
    read_all_at_hand,
    shrink_send_buffer,
    taken_bytes,
)
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.inference.gateway.running import App, RunningGateway, running_gateway
from tests.standins.transcript import Transcript

LOOPS = ("uvloop", "asyncio")
BLOCKS = (1, 100, 3_000, 7, 20_000, 1, 1, 50_000, 4_096, 300)
TOKENS = 120


@dataclass(frozen=True, slots=True)
class Note:
    """What stood where at one moment: all written, all that the kernel had taken."""

    written: int
    taken: int
    buffered: int


class Writer:
    """An application that writes blocks and notes what the kernel says of them."""

    def __init__(self, *blocks: int) -> None:
        self.blocks = blocks
        self.after_send: list[Note] = []
        self.after_drained: list[Note] = []
        self.blocked = threading.Event()
        self.raised: BaseException | None = None

    async def __call__(self, http: HttpRequest) -> None:
        """Answer with all blocks, each drained before the next."""
        downstream = http.downstream
        transport = downstream._wire.transport
        sock = transport.get_extra_info("socket")
        shrink_send_buffer(sock)
        downstream.begin(200, [], {})
        downstream.send_head()
        await downstream.drained()
        written = taken_bytes(sock)

        def note() -> Note:
            return Note(written, taken_bytes(sock), transport.get_write_buffer_size())

        try:
            for size in self.blocks:
                downstream.write(b"x" * size)
                written += len(wire.chunk(b"x" * size))
                self.after_send.append(note())
                if self.after_send[-1].buffered:
                    self.blocked.set()
                await downstream.drained()
                self.after_drained.append(note())
        except ClientGoneError as gone:
            self.raised = gone
            return
        downstream.write(b"", last=True)


@contextmanager
def answering(app: App, loop: str) -> Iterator[tuple[RunningGateway, RawClient]]:
    """Run an application under the gateway's server, before a narrow client."""
    with (
        running_gateway(loop=loop, around=lambda _: app) as gateway,
        RawClient(gateway.port, gateway.key, receive_bytes=SMALLEST_BUFFER) as client,
    ):
        client.post("/", {})
        yield gateway, client


@pytest.mark.parametrize("loop", LOOPS)
def test_it_returns_when_the_kernel_has_taken_every_byte(loop: str) -> None:
    writer = Writer(*BLOCKS)
    with answering(writer, loop) as (_, client):
        assert len(client.read().body) == sum(BLOCKS)

    assert len(writer.after_drained) == len(BLOCKS)
    for note in writer.after_drained:
        assert (note.taken, note.buffered) == (note.written, 0)
    # Or it would have had nothing to wait for.
    waited = [note for note in writer.after_send if note.buffered]
    assert waited
    for note in waited:
        assert note.taken + note.buffered == note.written


def _say_goodbye(client: RawClient) -> None:
    """End what we send, and keep the connection without reading."""
    client.sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "leave",
    [RawClient.leave, RawClient.reset, _say_goodbye],
    ids=lambda way: way.__name__,
)
def test_it_raises_when_the_client_is_lost_while_it_waits(
    loop: str, leave: Callable[[RawClient], None]
) -> None:
    writer = Writer(1_000_000)
    with answering(writer, loop) as (_, client):
        assert writer.blocked.wait(PATIENCE_S)
        leave(client)
        wait_until(lambda: writer.raised, seconds=5)
    assert not writer.after_drained


@pytest.mark.parametrize("loop", LOOPS)
def test_who_takes_the_last_of_it_and_leaves_at_once_has_it(loop: str) -> None:
    """Both are heard of in one turn of the loop, before the writer has its own."""
    writer = Writer(1_000_000)
    with answering(writer, loop) as (gateway, _):
        assert writer.blocked.wait(PATIENCE_S)

        def empty_and_lose() -> None:
            [connection] = gateway.server.server_state.connections
            connection.resume_writing()
            connection.transport.abort()

        gateway.run(empty_and_lose)
        wait_until(lambda: writer.after_drained)
    assert writer.raised is None


@pytest.fixture(scope="module", params=LOOPS)
def narrow(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway whose sockets hold as little as Linux lets them."""

    def around(app: App) -> App:
        async def narrowed(http: HttpRequest) -> None:
            downstream = http.downstream
            transport = downstream._wire.transport
            shrink_send_buffer(transport.get_extra_info("socket"))
            await app(http)

        return narrowed

    with running_gateway(loop=request.param, around=around) as gateway:
        yield gateway


@contextmanager
def stopped(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Stop a loop where it is: nothing but the kernel moves until the block ends."""
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        go_on.wait(PATIENCE_S)

    loop.call_soon_threadsafe(wait)
    assert reached.wait(PATIENCE_S)
    try:
        yield
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("text_bytes", "stops"),
    [(PIECE_BYTES, range(1, 40_000, 997)), (1, range(1, 12_000, 397))],
    ids=["large events", "small events"],
)
def test_what_a_reader_that_stops_at_any_byte_could_have_got_is_billed(
    narrow: RunningGateway, text_bytes: int, stops: range
) -> None:
    with scripted_engine(_all_at_once("x" * text_bytes)) as engine:
        model = narrow.serve(engine.url)
        for stop in stops:
            narrow.meter.settled.clear()
            got = _read_and_reset(narrow, model, stop)
            [outcome] = wait_until(lambda: narrow.meter.outcomes)
            assert outcome.status is EventStatus.CLIENT_GONE
            assert outcome.counts.output_tokens == got


def test_the_same_of_a_socket_that_holds_what_linux_lets_it() -> None:
    with (
        running_gateway() as gateway,
        scripted_engine(_all_at_once("x", tokens=20_000)) as engine,
    ):
        model = gateway.serve(engine.url)
        for stop in range(1, 60_000, 4_999):
            gateway.meter.settled.clear()
            got = _read_and_reset(gateway, model, stop)
            [outcome] = wait_until(lambda: gateway.meter.outcomes)
            assert outcome.counts.output_tokens == got < 20_000


def _all_at_once(text: str, *, tokens: int = TOKENS) -> Script:
    """Return an engine that sends so many tokens of this text without a pause."""

    def all_at_once(side: EngineSide) -> None:
        side.request()
        events = (
            wire.event(wire.chat_chunk({"content": text}) | {"usage": wire.running(n)})
            for n in range(1, tokens + 1)
        )
        side.stream(*events)
        side.wait_until_left()

    return all_at_once


def _read_and_reset(gateway: RunningGateway, model: str, stop: int) -> int:
    """Read so many bytes of a stream and then none; return the tokens it could have."""
    transcript = Transcript()
    with RawClient(gateway.port, gateway.key, receive_bytes=SMALLEST_BUFFER) as client:
        client.chat(model, stream=True)
        while (left := stop - transcript.seen.bytes_read) > 0:
            transcript.feed(client.sock.recv(left))
        [connection] = gateway.server.server_state.connections
        sock = connection.transport.get_extra_info("socket")
        with stopped(gateway.loop):
            taken = taken_bytes(sock)
            while transcript.seen.bytes_read < taken:
                transcript.feed(read_all_at_hand(client.sock))
            client.reset()
    wait_until(lambda: not gateway.server.server_state.connections)
    return transcript.seen.pieces
