"""A client's end that knows what it has read, and leaves at a chosen moment.

It stands between one client and one gateway for one request: passes the request on,
reads the answer at its own pace, hands it to the client and keeps a transcript. At the
planned moment it leaves the gateway, with a goodbye (FIN) or without (RST). After a
goodbye it reads on: what still comes lay in the sockets when it left. After a reset
nothing can come, so the kernel is asked just before what lay there.

Failure: what the client does wrong ends its connection; a gateway that cannot be
reached raises from the block. Owns: its sockets and tasks, gone after the block.
"""

import asyncio
import contextlib
import enum
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from tests.standins.kernel_queues import Sockets, lying_in_sockets
from tests.standins.transcript import Seen, Transcript

LOOPBACK = "127.0.0.1"
# Small against an event, so that one can be left in the middle.
SIP_BYTES = 48
_RESET = struct.pack("ii", 1, 0)

Around = Callable[[], AbstractAsyncContextManager[None]]


class Moment(enum.Enum):
    """When a reader leaves; `after` says how far on."""

    BEFORE_HEAD = "so many ms after the request, nothing read"
    AFTER_HEAD = "the head is read"
    AT_BYTE = "so many bytes are read"
    AT_PIECE = "so many events that carry text are read"
    IN_EVENT = "so many are read, and a part of the next event"
    AFTER_DONE = "the end mark is read"


class Farewell(enum.Enum):
    """How a reader leaves."""

    FIN = "goodbye"
    RST = "without a word"


@dataclass(frozen=True, slots=True)
class Drop:
    """When and how to leave."""

    moment: Moment
    after: int = 0
    farewell: Farewell = Farewell.FIN


@dataclass(frozen=True, slots=True)
class Habits:
    """How a reader reads: the kernel's buffer for it, and so much at a time."""

    receive_bytes: int | None = None
    read_bytes: int = 65536
    pause_s: float = 0.0


@dataclass(slots=True)
class Reading:
    """One answer as the reader has it; the client is to connect to `url`."""

    url: str
    transcript: Transcript = field(default_factory=Transcript)
    at_drop: Seen | None = None
    sockets: Sockets | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def received(self) -> Seen:
        """Return what had been read when the reader left, or all where it stayed."""
        return self.at_drop or self.transcript.seen

    @property
    def arrived(self) -> Seen:
        """Return all that came, what had not been read when the reader left included.

        At a reset that is only what had reached our end.
        """
        return self.transcript.seen


@contextlib.asynccontextmanager
async def reading_proxy(
    host: str,
    port: int,
    *,
    drop: Drop | None = None,
    habits: Habits | None = None,
    around: Around | None = None,
) -> AsyncIterator[Reading]:
    """Read one answer of the gateway at `host` and `port`, until the block ends.

    The leaving itself happens within `around()`, where one is given.
    """
    reading = Reading("")
    reader = _Reader(
        host, port, drop, habits or Habits(), around or contextlib.nullcontext, reading
    )
    server = await asyncio.start_server(reader.accept, LOOPBACK, 0)
    reading.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    try:
        yield reading
    finally:
        server.close()
        for task in reader.tasks:
            task.cancel()
        ends = await asyncio.gather(*reader.tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


@dataclass(slots=True)
class _Reader:
    """Carries one request and its answer."""

    host: str
    port: int
    drop: Drop | None
    habits: Habits
    around: Around
    reading: Reading
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def accept(
        self, client: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry the request of the client; whoever else comes by is sent away.

        Ports are given out again, and some still ask at them for who was there before:
        what they hear must not get into this transcript.
        """
        if self.tasks:
            writer.transport.abort()
            return
        self.tasks.add(asyncio.create_task(self._carry(client, writer)))

    async def _carry(
        self, client: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Connect to the gateway and carry both ways until the answer or we end."""
        sock = socket.socket()
        if self.habits.receive_bytes is not None:
            # Before the connection is made: its window is agreed on then.
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, self.habits.receive_bytes
            )
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        asking: asyncio.Task[None] | None = None
        try:
            await loop.sock_connect(sock, (self.host, self.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asking = loop.create_task(self._ask(client, sock))
            await self._answer(sock, writer)
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.wait({asking})
            writer.close()
            sock.close()
            self.reading.ended.set()

    async def _ask(self, client: asyncio.StreamReader, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await client.read(65536):
            await loop.sock_sendall(sock, data)
            self.asked.set()

    async def _answer(self, sock: socket.socket, writer: asyncio.StreamWriter) -> None:
        """Read until it is time to leave, or to the end."""
        loop = asyncio.get_running_loop()
        transcript = self.reading.transcript
        drop = self.drop
        if drop is not None and drop.moment is Moment.BEFORE_HEAD:
            await self.asked.wait()
            await asyncio.sleep(drop.after / 1000)
            await self._leave(sock, writer, drop)
            return
        while data := await loop.sock_recv(sock, self._bytes_wanted()):
            transcript.feed(data)
            writer.write(data)
            if drop is not None and _is_due(drop, transcript.seen):
                await self._leave(sock, writer, drop)
                return
            if transcript.seen.is_complete:
                break
            if self.habits.pause_s:
                await asyncio.sleep(self.habits.pause_s)

    def _bytes_wanted(self) -> int:
        drop, wanted = self.drop, self.habits.read_bytes
        if drop is None or drop.moment is Moment.AFTER_DONE:
            return wanted
        if drop.moment is Moment.AT_BYTE:
            left = drop.after - self.reading.transcript.seen.bytes_read
            return max(1, min(wanted, left))
        return min(wanted, SIP_BYTES)

    async def _leave(
        self, sock: socket.socket, writer: asyncio.StreamWriter, drop: Drop
    ) -> None:
        """Leave the gateway, and see what lay in the sockets."""
        reading = self.reading
        async with self.around():
            reading.at_drop = reading.transcript.seen.copy()
            asked_at = time.monotonic()
            sockets = lying_in_sockets(sock)
            if drop.farewell is Farewell.RST:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.close()
            else:
                sock.shutdown(socket.SHUT_WR)
            reading.sockets = replace(sockets, asked_s=time.monotonic() - asked_at)
            writer.transport.abort()
        if drop.farewell is Farewell.RST:
            reading.transcript.feed(sockets.unread)
        else:
            with contextlib.suppress(ConnectionError):
                loop = asyncio.get_running_loop()
                while data := await loop.sock_recv(sock, 65536):
                    reading.transcript.feed(data)


def _is_due(drop: Drop, seen: Seen) -> bool:
    match drop.moment:
        case Moment.AFTER_HEAD:
            return bool(seen.status)
        case Moment.AT_BYTE:
            return seen.bytes_read >= drop.after
        case Moment.AT_PIECE:
            return seen.pieces >= drop.after
        case Moment.IN_EVENT:
            return seen.pieces >= drop.after and seen.is_within_event
        case Moment.AFTER_DONE:
            return seen.is_done
        case Moment.BEFORE_HEAD:
            return False
