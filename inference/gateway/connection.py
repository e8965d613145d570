"""The client's side of a request: what has left this process, and is it still there.

A subclass of uvicorn's protocol with a write buffer of nothing: a write either is in
the kernel when it returns, or pauses the protocol. The application gets a `Downstream`
in the scope's extensions. TLS ends in front of the gateway; a proxy's buffers count as
delivered.
"""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from inference.gateway.send_queue import has_room
from inference.openai.errors import body_of
from kit.errors import InvalidRequest

EXTENSION = "tollgate.downstream"
# How much the kernel takes before it has sent: the backpressure that a slow reader
# gives.
NOTSENT_LOWAT_BYTES = 16 * 1024
# Requests that a client may send ahead of its answers while we listen on.
PIPELINED_MAX = 16
# How long a client may take nothing of what is ready for it.
STALL_S_MAX = 60.0
# How long a request's head may take, and how large head and framing may be. What is
# forgiven for each part of a body covers honest chunks.
HEAD_S_MAX = 30.0
HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 128
# How long a body may take whatever its pace, and the pace that is due over all of its
# time from then on.
BODY_GRACE_S = 30.0
BODY_BYTES_PER_S_MIN = 1024
_FRAMING_BYTES = 32
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


class ClientGoneError(Exception):
    """The client has closed its connection."""


class Downstream:
    """Flow control and presence of one request's client."""

    __slots__ = ("_connection", "_listener", "asks_to_upgrade", "cycle", "is_slow")

    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection
        self._listener: Callable[[], None] | None = None
        # Of this request alone: a client may send the next one before the answer.
        self.cycle: RequestResponseCycle | None = None
        # Whether this client has ever made us wait.
        self.is_slow = False
        # Then the parser takes no body, and nothing behind the head is a request.
        self.asks_to_upgrade = connection.parser.should_upgrade()

    @property
    def is_lost(self) -> bool:
        """Tell whether the client is gone."""
        return self._connection.transport.is_closing()

    def on_lost(self, listener: Callable[[], None] | None) -> None:
        """Call the listener once when the client leaves; None takes it off again."""
        self._listener = listener
        if listener is None:
            return
        if self.is_lost:
            listener()
            return
        # uvicorn stops reading behind a large body, and would not see the client leave.
        self._connection.flow.resume_reading()

    def takes_whole(self, size: int) -> bool:
        """Tell whether a write of so many bytes would leave nothing here."""
        if self.is_slow:
            return False
        return has_room(self._connection.sock, size, not_sent_max=NOTSENT_LOWAT_BYTES)

    async def drained(self) -> None:
        """Return once the kernel has all that was written; raise if it was lost before.

        A client that takes nothing for too long is dropped, so that it holds neither
        memory nor the engine for ever.
        """
        flow = self._connection.flow
        if flow.write_paused:
            self.is_slow = True
            self._connection.has_emptied = False
            try:
                async with asyncio.timeout(self._connection.stall_s_max):
                    await flow.drain()
            except TimeoutError:
                self.abort()
            if self._connection.has_emptied:
                # Who takes the last of it and leaves at once has it all the same.
                return
        if self.is_lost:
            raise ClientGoneError

    async def caught_up(self) -> None:
        """Return once whole answers are in the kernel, or their client is lost.

        They may be large, and hold no engine: a client has its time as long as it takes
        something of them. uvicorn would wait for ever.
        """
        flow, transport = self._connection.flow, self._connection.transport
        while flow.write_paused and not self._connection.ended.done():
            left = transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._connection.stall_s_max):
                    await flow.drain()
            except TimeoutError:
                if transport.get_write_buffer_size() >= left:
                    self.abort()
                    return

    async def begun(self, last_bytes: int) -> bool:
        """Tell whether the kernel took the first byte of an answer's last write."""
        if self.cycle is None or not self.cycle.response_complete:
            return False
        transport = self._connection.transport
        if transport.get_write_buffer_size() >= last_bytes:
            with contextlib.suppress(ClientGoneError):
                await self.drained()
        if transport.get_write_buffer_size():
            return True
        # Nothing is left: all of it was taken, or the write failed and was dropped.
        if self.cycle.keep_alive:
            return not transport.is_closing()
        # The answer ends with its connection, and only that end tells which it was.
        return await asyncio.shield(self._connection.ended) is None

    def abort(self) -> None:
        """Drop the connection: nobody reads what it still holds."""
        self._connection.transport.abort()

    def lost(self) -> None:
        """Pass on that the connection is lost."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener()


def _refusal(message: str) -> bytes:
    """Return a whole answer to what is no request."""
    body = body_of(InvalidRequest(message))
    return (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\nx-request-id: %b\r\nconnection: close\r\n\r\n%b"
        % (len(body), str(uuid.uuid4()).encode(), body)
    )


class ClientConnection(HttpToolsProtocol):
    """One client connection of the gateway."""

    stall_s_max = STALL_S_MAX
    head_s_max = HEAD_S_MAX
    body_grace_s = BODY_GRACE_S
    ended: asyncio.Future[Exception | None]
    # Until the connection is lost.
    parser: httptools.HttpRequestParser

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand every write to the kernel at once, little ahead of what it has sent."""
        super().connection_made(transport)
        self.ended = self.loop.create_future()
        self._unanswered: list[Downstream] = []
        self._overhead_bytes = 0
        self._is_deaf = False
        self.has_emptied = True
        self._is_in_body = False
        self._refusal = ""
        self._head_timer = self.loop.call_later(self.head_s_max, transport.abort)
        # Of a body that did not come with its head.
        self._body_timer: asyncio.TimerHandle | None = None
        self._body_bytes = 0
        transport.set_write_buffer_limits(high=0)
        self.sock: Any = transport.get_extra_info("socket")
        if self.sock.family in {socket.AF_INET, socket.AF_INET6}:
            for option, value in (
                (_TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES),
                (socket.TCP_NODELAY, 1),
            ):
                self.sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def resume_writing(self) -> None:
        """Note that nothing is left here: with no buffer allowed, that is what it says.

        When a connection is lost, uvicorn wakes who waits without coming through here.
        """
        self.has_emptied = True
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the bounds of what is no body."""
        if self._is_deaf:
            return
        self._overhead_bytes += len(data)
        super().data_received(data)
        if self._is_in_body and self._body_timer is None:
            self._await_body(self.loop.time())
        if self._overhead_bytes > HEAD_BYTES_MAX:
            self._is_deaf = True
            self.transport.abort()

    def _await_body(self, since: float) -> None:
        """Look at a body's pace after a while, and again for as long as it comes."""
        self._body_timer = self.loop.call_later(
            self.body_grace_s, self._judge_body, since
        )

    def _judge_body(self, since: float) -> None:
        """Drop a client that sends too slowly; while we do not read, it cannot."""
        due = (self.loop.time() - since) * BODY_BYTES_PER_S_MIN
        if self._body_bytes < due and not self.flow.read_paused:
            self.transport.abort()
        else:
            self._await_body(since)

    def _end_body(self) -> None:
        self._is_in_body = False
        self._body_bytes = 0
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def on_message_begin(self) -> None:
        """Give the head its time."""
        super().on_message_begin()
        self._head_timer.cancel()
        self._head_timer = self.loop.call_later(self.head_s_max, self.transport.abort)

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._overhead_bytes -= min(self._overhead_bytes, len(body) + _FRAMING_BYTES)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to count anew."""
        self._overhead_bytes = 0
        self._end_body()
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        # It is answered as if it had not asked. What follows may be this request's body
        # or another protocol; taken for requests, it would let others be smuggled in.
        self._is_deaf = True
        self.cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        """Give the request's scope its view of the connection."""
        self._head_timer.cancel()
        if len(self.headers) > HEADERS_MAX:
            self._refuse(f"Send at most {HEADERS_MAX} headers with a request.")
        self._require_a_host()
        downstream = Downstream(self)
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {EXTENSION: downstream}
        super().on_headers_complete()
        downstream.cycle = self.cycle
        self._is_in_body = True
        if 0 < len(self.pipeline) <= PIPELINED_MAX:
            # uvicorn stops reading behind a request in line, and would not see the end.
            self.flow.resume_reading()
        self._unanswered = [
            earlier
            for earlier in self._unanswered
            if earlier.cycle is not None and not earlier.cycle.response_complete
        ]
        self._unanswered.append(downstream)

    def _require_a_host(self) -> None:
        """Refuse what proxies in front may have read as meant for somebody else."""
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._refuse("Send one Host header with a request.")

    def _refuse(self, message: str) -> NoReturn:
        # The parser stops here and takes any error for a malformed request.
        self._refusal = message
        raise httptools.HttpParserError(message)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no clean HTTP, as the API refuses, and end the connection.

        Requests before it are answered first: their answers must not be broken into.
        """
        # Of a body that does not end as it should, no answer is due any more.
        broken = self.cycle if self._is_in_body else None
        due = [
            cycle
            for downstream in self._unanswered
            if (cycle := downstream.cycle) is not None
            and cycle is not broken
            and not cycle.response_complete
        ]
        if due:
            due[-1].keep_alive = False
            return
        if broken is None or not broken.response_started:
            self.transport.write(_refusal(self._refusal or msg))
        self.transport.close()

    def eof_received(self) -> None:
        """Take the end of what a client sends for its leaving.

        The transport closes now, but only once its buffer is empty; whoever waits for
        that, or for an engine, must not wait for a client that may read no more.
        """
        super().eof_received()
        for downstream in self._unanswered:
            downstream.lost()
        if self.flow.write_paused and not self.cycle.response_complete:
            self.flow.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request whose answer is not complete."""
        super().connection_lost(exc)
        self._head_timer.cancel()
        self._end_body()
        self.ended.set_result(exc)
        for downstream in self._unanswered:
            downstream.lost()
