"""The client's side of one request: what has left this process, and is it still there.

A connection's write buffer is nothing: a write either is in the kernel when it returns,
or pauses the connection. TLS ends in front of the gateway; a proxy's buffers count as
delivered. Failure: a client that is gone is `ClientGoneError` to whoever waits for it,
and silence to whoever writes to it.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from inference.gateway.patience import Writable
from inference.gateway.send_queue import room_of
from kit.records import record

# How much the kernel takes before it has sent: the backpressure that a slow reader
# gives.
NOTSENT_LOWAT_BYTES = 16 * 1024
# How much of a body may come before somebody wants it.
BODY_AHEAD_BYTES = 64 * 1024
# Answers whose length, if they say one, is another's.
_BODILESS = frozenset({204, 304})

Headers = Sequence[tuple[bytes, bytes]]


class ClientGoneError(Exception):
    """The client has closed its connection."""


@record(frozen=True, slots=True)
class RequestHead:
    """What the head of a request says; the names of headers are in lower case."""

    method: str
    path: str
    # As it was sent, with what was asked of it.
    target: bytes
    headers: list[tuple[bytes, bytes]]
    # The address of who is at the other end.
    peer: str | None
    # Whether its version of HTTP has chunks.
    knows_chunks: bool = True


class Wire(Protocol):
    """The connection that requests come by."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    # What asks the kernel about the connection.
    sock: socket.socket
    stall_s_max: float
    # Whether all that was written is in the kernel.
    writable: Writable
    # Done with the connection, with what it ended by.
    ended: "asyncio.Future[Exception | None]"

    @property
    def date_line(self) -> bytes:
        """Return the one header that every answer has."""
        ...

    def pause_reading(self) -> None:
        """Let the client wait with what it sends."""
        ...

    def resume_reading(self) -> None:
        """Take what the client sends."""
        ...

    def answered(self) -> None:
        """Note that the answer of the request in front is complete."""
        ...


class Downstream:
    """One request's client: its body, its answer, flow control and presence."""

    __slots__ = (
        "_body_bytes",
        "_bytes_max",
        "_has_body",
        "_is_chunked",
        "_is_disconnected",
        "_left",
        "_listener",
        "_parts",
        "_room",
        "_room_writes",
        "_unsent_head",
        "_waiter",
        "_wire",
        "asks_to_upgrade",
        "expects_continue",
        "head",
        "is_begun",
        "is_complete",
        "is_slow",
        "keeps_alive",
    )

    def __init__(self, wire: Wire, head: RequestHead) -> None:
        self._wire = wire
        self.head = head
        self._listener: Callable[[], None] | None = None
        # Whether this client has ever made us wait.
        self.is_slow = False
        # Then the parser takes no body, and nothing behind the head is a request.
        self.asks_to_upgrade = False
        self.keeps_alive = False
        # Whether it waits to be told before it sends its body.
        self.expects_continue = False
        self._is_disconnected = False
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._bytes_max: int | None = None
        self._has_body = False
        self._waiter: asyncio.Future[None] | None = None
        # Of the answer: whether its head is written, and all of it.
        self.is_begun = self.is_complete = False
        self._unsent_head = b""
        self._is_chunked = False
        # How much of a length that was announced is to come.
        self._left: int | None = None
        # What the kernel was sure to take, when it was asked, less what it got since.
        self._room = self._room_writes = 0

    # Its body -----------------------------------------------------------------------

    def take_in(self, part: bytes) -> None:
        """Take in a part of the body; one that was answered already wants none."""
        if self.is_complete:
            return
        self._parts.append(part)
        self._body_bytes += len(part)
        if self._bytes_max is None:
            if self._body_bytes > BODY_AHEAD_BYTES:
                self._wire.pause_reading()
        elif self._body_bytes > self._bytes_max:
            self._wake()

    def end_body(self) -> None:
        """Note that the body is all here."""
        self._has_body = True
        self._wake()

    async def body(self, *, bytes_max: int) -> bytes | None:
        """Return the whole body; None as soon as it is larger."""
        self._bytes_max = bytes_max
        if self.expects_continue and not self.is_lost:
            self._wire.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            if self._is_disconnected:
                raise ClientGoneError
            if self._body_bytes > bytes_max:
                return None
            if self._has_body:
                break
            self._wire.resume_reading()
            self._waiter = self._wire.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Its answer ---------------------------------------------------------------------

    def begin(self, status: int, headers: Headers, more: Mapping[str, str]) -> None:
        """Write the head of the answer; it leaves with what is written next.

        The body is of the length that the headers say, else in chunks; where the client
        does not know these, it ends with the connection.
        """
        self.is_begun = True
        told = b"".join([b"%b: %b\r\n" % header for header in headers])
        told += "".join([f"{name}: {more[name]}\r\n" for name in more]).encode()
        lines = len(headers) + len(more)
        if told.count(b"\r") != lines or told.count(b"\n") != lines:
            # Whoever wrote it would write the rest of the answer.
            raise ValueError("a header with a line break")
        length = dict(headers).get(b"content-length")
        framing = b""
        if status in _BODILESS or self.head.method == "HEAD":
            self._left = 0
        elif length is not None:
            self._left = int(length)
        elif self.head.knows_chunks:
            self._is_chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        if not self.keeps_alive:
            framing += b"connection: close\r\n"
        date = self._wire.date_line
        self._unsent_head = b"".join(
            (_status_line(status), date, told, framing, b"\r\n")
        )

    def send_head(self) -> None:
        """Send the head before there is anything of the body."""
        head, self._unsent_head = self._unsent_head, b""
        if head and not self._is_disconnected:
            self._wire.transport.write(head)

    def write(self, data: bytes, *, last: bool = False) -> None:
        """Write a part of the body; what a client that is gone is written is dropped.

        Wait for `drained` or `caught_up` before the next one.
        """
        if self._is_disconnected:
            return
        if self._is_chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if last:
                data += b"0\r\n\r\n"
        elif self.head.method == "HEAD":
            data = b""
        elif self._left is not None:
            self._left -= len(data)
            if self._left < 0 or (last and self._left):
                raise ValueError("an answer of another length than it says")
        if self._unsent_head:
            data, self._unsent_head = self._unsent_head + data, b""
        if data:
            self._room -= len(data)
            self._room_writes -= 1
            self._wire.transport.write(data)
        if last:
            self.is_complete = True
            if not self.keeps_alive:
                self._wire.transport.close()
            self._wire.answered()

    # Whether it is there, and has what was written --------------------------------

    @property
    def is_behind(self) -> bool:
        """Tell whether the kernel has not taken yet all that was written."""
        return not self._wire.writable.is_set

    @property
    def is_lost(self) -> bool:
        """Tell whether the client is gone."""
        return self._wire.transport.is_closing()

    @property
    def has_all(self) -> bool:
        """Tell whether the kernel has all that was written, and the client is there."""
        return self._wire.writable.is_set and not self._wire.transport.is_closing()

    def on_lost(self, listener: Callable[[], None] | None) -> None:
        """Call the listener once when the client leaves; None takes it off again."""
        self._listener = listener
        if listener is None:
            return
        if self.is_lost:
            listener()
            return
        # Reading stops behind a large body, and would not see the client leave.
        self._wire.resume_reading()

    def takes_whole(self, size: int) -> bool:
        """Tell whether a write of so many bytes would leave nothing here."""
        if self.is_slow:
            return False
        if size > self._room or self._room_writes < 1:
            self._room, self._room_writes = room_of(
                self._wire.sock, not_sent_max=NOTSENT_LOWAT_BYTES
            )
        return size <= self._room and self._room_writes > 0

    async def drained(self) -> None:
        """Return once the kernel has all that was written; raise if it was lost before.

        A client that takes nothing for too long is dropped, so that it holds neither
        memory nor the engine for ever.
        """
        writable = self._wire.writable
        if not writable.is_set:
            self.is_slow = True
            try:
                async with asyncio.timeout(self._wire.stall_s_max):
                    await writable.wait()
            except TimeoutError:
                self.abort()
            if writable.has_emptied:
                # Who takes the last of it and leaves at once has it all the same.
                return
        if self.is_lost:
            raise ClientGoneError

    async def caught_up(self) -> None:
        """Return once whole answers are in the kernel, or their client is lost.

        They may be large, and hold no engine: a client has its time as long as it takes
        something of them.
        """
        writable, transport = self._wire.writable, self._wire.transport
        while not writable.is_set and not self._wire.ended.done():
            left = transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._wire.stall_s_max):
                    await writable.wait()
            except TimeoutError:
                if transport.get_write_buffer_size() >= left:
                    self.abort()
                    return

    async def begun(self, last_bytes: int) -> bool:
        """Tell whether the kernel took the first byte of an answer's last write."""
        if not self.is_complete:
            return False
        transport = self._wire.transport
        if transport.get_write_buffer_size() >= last_bytes:
            with contextlib.suppress(ClientGoneError):
                await self.drained()
        if transport.get_write_buffer_size():
            return True
        # Nothing is left: all of it was taken, or the write failed and was dropped.
        if self.keeps_alive:
            return not transport.is_closing()
        # The answer ends with its connection, and only that end tells which it was.
        return await asyncio.shield(self._wire.ended) is None

    def abort(self) -> None:
        """Drop the connection: nobody reads what it still holds."""
        self._wire.transport.abort()

    def lost(self) -> None:
        """Pass on that the connection is lost."""
        if not self.is_complete:
            self._is_disconnected = True
            self._wake()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener()


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase.encode()
    except ValueError:
        # What the web process says need not have one.
        phrase = b""
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase)
