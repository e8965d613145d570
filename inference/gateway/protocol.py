"""HTTP/1.1 as the gateway speaks it to its clients: one connection, request by request.

httptools parses; what is here is the order of things and their bounds. Requests may
come ahead of their answers and are answered in turn. Whatever is not clean HTTP ends
the connection, with the answers that were due before it. uvicorn's server owns the
process's signals and sockets, and makes one of these for each client.

Failure: a head or a body that comes too slowly, a client that leaves, and an
application that fails each end the connection. Owns: the parser, the tasks of the
connection's requests, its one timer.
"""

import asyncio
import socket
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NoReturn, cast
from urllib.parse import unquote

import httptools
import structlog
import uvicorn
from uvicorn.server import ServerState

from inference.gateway.connection import (
    NOTSENT_LOWAT_BYTES,
    Downstream,
    RequestHead,
)
from inference.gateway.http import HttpRequest
from inference.gateway.patience import Deadline, Writable
from inference.openai.errors import body_of
from kit.errors import InvalidRequest

# Requests that a client may send ahead of its answers while we listen on; and at all,
# for many small ones may come with what is read at once.
PIPELINED_MAX = 16
AHEAD_MAX = 256
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
_KEPT_TARGET_BYTES_MAX = 256

Application = Callable[[HttpRequest], Awaitable[None]]

log = structlog.get_logger("tollgate.gateway")


class ClientConnection(asyncio.Protocol):
    """One client connection of the gateway; implements `Wire`."""

    stall_s_max = STALL_S_MAX
    head_s_max = HEAD_S_MAX
    body_grace_s = BODY_GRACE_S
    # Since the client is connected.
    transport: asyncio.Transport
    sock: socket.socket
    ended: "asyncio.Future[Exception | None]"

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: object,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # What uvicorn hands over, in its own words.
        self._state = server_state
        self._app = cast(Application, config.loaded_app)
        self._keep_alive_s = config.timeout_keep_alive
        self.loop = _loop or asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        # Else a request that ends its connection would be refused for what follows it.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.writable = Writable()
        # Requests whose answer is not complete, the first of them under way.
        self.line: deque[Downstream] = deque()
        # Whose body comes now.
        self._receiving: Downstream | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._is_in_head = self._is_idle = self._is_deaf = False
        # Whether the deadline is that of the head that comes.
        self._is_head_timed = True
        self._is_stopping = False
        self._is_read_paused = False
        self._overhead_bytes = 0
        # Of a body that did not come with its head: what has come, and since when.
        self._body_bytes = 0
        self._body_since: float | None = None
        self._refusal = ""
        self._peer: str | None = None

    @property
    def date_line(self) -> bytes:
        """Return the date, which uvicorn writes anew every second."""
        return b"".join(
            [b"%b: %b\r\n" % header for header in self._state.default_headers]
        )

    # What the transport says --------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand every write to the kernel at once, little ahead of what it has sent."""
        self.transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type]
        self.ended = self.loop.create_future()
        self._deadline = Deadline(self.loop, self._ring)
        self._deadline.within(self.head_s_max)
        transport.set_write_buffer_limits(high=0)
        given: Any = transport.get_extra_info("socket")
        # The loop's own stand-in asks the kernel what it is, each time it is asked.
        self.sock = socket.socket(
            given.family, given.type, given.proto, fileno=given.fileno()
        )
        peer = transport.get_extra_info("peername")
        if given.family in {socket.AF_INET, socket.AF_INET6}:
            if peer is None:
                # It has left before it was let in.
                transport.abort()
                return
            self._peer = str(peer[0])
            for option, value in (
                (_TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES),
                (socket.TCP_NODELAY, 1),
            ):
                self.sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def pause_writing(self) -> None:
        """Note that the kernel has not taken all."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Note that nothing is left here: with no buffer allowed, it means that."""
        self.writable.set(has_emptied=True)

    def pause_reading(self) -> None:
        """Let the client wait with what it sends."""
        if not self._is_read_paused:
            self._is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what the client sends, unless it is too far ahead of its answers."""
        if self._is_read_paused and len(self.line) <= PIPELINED_MAX:
            self._is_read_paused = False
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the bounds of what is no body."""
        if self._is_deaf:
            return
        self._overhead_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # It is answered as if it had not asked. What follows may be this request's
            # body or another protocol; taken for requests, it would let others be
            # smuggled in.
            self._is_deaf = True
            if self.line:
                self.line[-1].keeps_alive = False
        except httptools.HttpParserError:
            self._refuse_rest()
            return
        # Mostly all of a request is here by now, and nothing is to be waited for.
        if self._is_in_head:
            if not self._is_head_timed:
                self._is_head_timed = True
                self._deadline.within(self.head_s_max)
        elif self._receiving is not None and self._body_since is None:
            self._body_since = self.loop.time()
            self._deadline.within(self.body_grace_s)
        if self._overhead_bytes > HEAD_BYTES_MAX:
            self._is_deaf = True
            self.transport.abort()

    def eof_received(self) -> None:
        """Take the end of what a client sends for its leaving.

        The transport closes now, but only once its buffer is empty; whoever waits for
        that, or for an engine, must not wait for a client that may read no more.
        """
        is_answering = bool(self.line)
        for downstream in tuple(self.line):
            downstream.lost()
        if is_answering and not self.writable.is_set:
            self.writable.set(has_emptied=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request whose answer is not complete."""
        self._state.connections.discard(self)
        self._deadline.close()
        # The transport closes it.
        self.sock.detach()
        self.ended.set_result(exc)
        for downstream in tuple(self.line):
            downstream.lost()
        self.writable.set(has_emptied=False)

    def shutdown(self) -> None:
        """End the connection once what runs is answered, as the server stops."""
        self._is_stopping = True
        if self.line:
            self.line[-1].keeps_alive = False
        else:
            self.transport.close()

    # What the parser says -----------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head = True
        self._is_idle = self._is_head_timed = False
        self._target = b""
        self._headers = []

    def on_url(self, target: bytes) -> None:
        """Collect what is asked for, which may come in parts."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; one that follows a body says nothing of its request.

        Nobody in front has looked at it, and the request is answered by its head.
        """
        if self._is_in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin to answer, or put the request in line."""
        self._is_in_head = False
        self._deadline.put_off()
        parser, headers = self.parser, self._headers
        if len(headers) > HEADERS_MAX:
            self._refuse(f"Send at most {HEADERS_MAX} headers with a request.")
        if len(self.line) >= AHEAD_MAX:
            self._refuse("Wait for answers before you send more requests.")
        hosts, expects_continue = 0, False
        for name, value in headers:
            if name == b"host":
                hosts += 1
            elif name == b"expect":
                expects_continue = value.lower() == b"100-continue"
        version = parser.get_http_version()
        if hosts > 1 or (not hosts and version == "1.1"):
            # Proxies in front may have read it as meant for somebody else.
            self._refuse("Send one Host header with a request.")
        method, knows_chunks = parser.get_method().decode("ascii"), version == "1.1"
        path, target = _asked(self._target)
        head = RequestHead(method, path, target, headers, self._peer, knows_chunks)
        downstream = Downstream(self, head)
        downstream.keeps_alive = (
            knows_chunks and parser.should_keep_alive() and not self._is_stopping
        )
        downstream.expects_continue = expects_continue and knows_chunks
        downstream.asks_to_upgrade = parser.should_upgrade()
        self._receiving = downstream
        self.line.append(downstream)
        if len(self.line) == 1:
            self._answer(downstream)
        elif len(self.line) > PIPELINED_MAX:
            self.pause_reading()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._overhead_bytes -= min(self._overhead_bytes, len(body) + _FRAMING_BYTES)
        self._body_bytes += len(body)
        if self._receiving is not None:
            self._receiving.take_in(body)

    def on_message_complete(self) -> None:
        """Begin to count anew."""
        self._overhead_bytes = self._body_bytes = 0
        if self._body_since is not None:
            self._body_since = None
            self._deadline.put_off()
        if self._receiving is not None:
            self._receiving.end_body()
            self._receiving = None
        self._rest()

    # Answers, in turn ---------------------------------------------------------------

    def _answer(self, downstream: Downstream) -> None:
        task = self.loop.create_task(self._run(downstream))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _run(self, downstream: Downstream) -> None:
        try:
            await self._app(HttpRequest(downstream))
        except Exception:
            log.exception("gateway_bug", path=downstream.head.path[:100])
        finally:
            if not downstream.is_complete:
                # What has begun must not seem whole.
                self.transport.abort()

    def answered(self) -> None:
        """Take the next request in line, or wait for one."""
        self._state.total_requests += 1
        self.line.popleft()
        if self.transport.is_closing():
            return
        self.resume_reading()
        if self.line:
            self._answer(self.line[0])
        self._rest()

    def _rest(self) -> None:
        """Give the next request its time, where none is under way."""
        if not self.line and self._receiving is None and not self._is_in_head:
            self._is_idle = True
            self._deadline.within(self._keep_alive_s)

    # Bounds -------------------------------------------------------------------------

    def _ring(self) -> None:
        """Judge a client that was waited for."""
        if self._body_since is not None:
            due = (self.loop.time() - self._body_since) * BODY_BYTES_PER_S_MIN
            # While we do not read, it cannot send.
            if self._body_bytes < due and not self._is_read_paused:
                self.transport.abort()
            else:
                self._deadline.within(self.body_grace_s)
        elif self._is_idle:
            self.transport.close()
        elif self._is_read_paused:
            # The rest of its head may be there, and is not read.
            self._deadline.within(self.head_s_max)
        else:
            self.transport.abort()

    def _refuse(self, message: str) -> NoReturn:
        # The parser stops here and takes any error for a malformed request.
        self._refusal = message
        raise httptools.HttpParserError(message)

    def _refuse_rest(self) -> None:
        """Refuse what is no clean HTTP, as the API refuses, and end the connection.

        Requests before it are answered first: their answers must not be broken into.
        """
        self._is_deaf = True
        # Of a body that does not end as it should, no answer is due any more.
        broken = self._receiving
        due = [downstream for downstream in self.line if downstream is not broken]
        if due:
            due[-1].keeps_alive = False
            return
        if broken is None or not broken.is_begun:
            message = self._refusal or "Invalid HTTP request received."
            self.transport.write(_refusal(message))
        self.transport.close()


def _parsed(asked: bytes) -> tuple[str, bytes]:
    url = httptools.parse_url(asked)
    path = url.path.decode("ascii")
    target = url.path + (b"?" + url.query if url.query else b"")
    return unquote(path) if "%" in path else path, target


_parsed_before = lru_cache(maxsize=256)(_parsed)


def _asked(target: bytes) -> tuple[str, bytes]:
    """Return the path that is asked for, and the target as servers are sent it.

    Good clients ask for few; what is long is not kept.
    """
    is_kept = len(target) <= _KEPT_TARGET_BYTES_MAX
    return _parsed_before(target) if is_kept else _parsed(target)


def _refusal(message: str) -> bytes:
    """Return a whole answer to what is no request."""
    body = body_of(InvalidRequest(message))
    return (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\nx-request-id: %b\r\nconnection: close\r\n\r\n%b"
        % (len(body), str(uuid.uuid4()).encode(), body)
    )
