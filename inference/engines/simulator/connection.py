"""One client's connection: HTTP/1.1 in, one request at a time, answers out.

Requests that arrive while an answer is under way wait their turn (pipelining). Reading
never pauses, because the end of the stream is how a client says that it has left.

Failure: end of file (a half-close included), a reset, or `BUFFER_BYTES_MAX` of unread
answer ends the generation at once. What cannot be parsed as HTTP ends the connection.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

from inference.engines.simulator import errors, http1, routes
from inference.engines.simulator.answers import Label
from inference.engines.simulator.generation import (
    Generation,
    StreamedGeneration,
    WholeGeneration,
)
from inference.engines.simulator.requests import Order, read_chat, read_completion
from inference.engines.simulator.settings import Behaviour

BUFFER_BYTES_MAX = 64 * 1024 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024
PIPELINED_REQUESTS_MAX = 64

_HEADERS_READ = frozenset(
    (b"authorization", b"content-type", b"expect", b"x-request-id")
)
_READERS: dict[bytes, Callable[..., Order]] = {
    b"/v1/chat/completions": read_chat,
    b"/v1/completions": read_completion,
}


@dataclass(slots=True)
class Request:
    """One request as read: only the headers that mean something here are kept."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool


class Connection(asyncio.Protocol):
    """Parse requests, answer pages, run at most one generation."""

    def __init__(
        self, simulator: routes.Simulator, connections: set["Connection"]
    ) -> None:
        """Serve `simulator`, and be found in `connections` while open."""
        self._simulator = simulator
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None]
        self._generation: Generation | None = None
        self._waiting: deque[Request] = deque()
        self._keep_alive = True
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_size = 0

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register, and ask to hear when the buffer passes its bound."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self._connections.add(self)
        self.closed = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # HTTP/1.1 is what we speak; an upgrade that is not answered is declined.
            return
        except httptools.HttpParserCallbackError as raised:
            # The parser wraps what our own callbacks raise: only a refusal is expected.
            refusal = raised.__context__
            if not isinstance(refusal, errors.Refusal):
                raise
            self._send(refusal.response())
            self._hang_up()
        except httptools.HttpParserError:
            self._hang_up()

    def eof_received(self) -> bool:
        """Take a half-close for a goodbye, as vLLM's server does."""
        self._abort_generation()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._abort_generation()
        self._transport = None
        self._connections.discard(self)
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Give up on a client that has left `BUFFER_BYTES_MAX` unread."""
        # Called from within a write, so from within a generation's step: let that end.
        asyncio.get_running_loop().call_soon(self.drop)

    def shut_down(self) -> None:
        """End what is under way and close, because the server stops."""
        self._waiting.clear()
        self._keep_alive = False
        if self._generation is None:
            self._hang_up()
        else:
            self._generation.interrupt()

    def drop(self) -> None:
        """End what is under way and close, without waiting for the client to read."""
        self._abort_generation()
        if self._transport:
            self._transport.abort()

    # The parser's side.

    def on_message_begin(self) -> None:
        """Start a request."""
        self._url = b""
        self._headers = {}
        self._body = []
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        """Gather the address; it may come in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few headers that mean something."""
        name = name.lower()
        if name in _HEADERS_READ:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Invite the body of a client that waits for it."""
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._send(http1.CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Gather the body, within bounds."""
        self._body_size += len(body)
        if self._body_size > BODY_BYTES_MAX:
            raise errors.body_too_large()
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer the request, or let it wait for the one before."""
        request = Request(
            self._parser.get_method(),
            self._url.partition(b"?")[0],
            self._headers,
            b"".join(self._body),
            self._parser.should_keep_alive(),
        )
        if self._generation is None:
            self._answer(request)
        elif len(self._waiting) < PIPELINED_REQUESTS_MAX:
            self._waiting.append(request)
        else:
            self.drop()

    # Answering.

    def _answer(self, request: Request) -> None:
        self._keep_alive = request.keep_alive
        try:
            self._authorise(request)
            reader = _READERS.get(request.path)
            if reader is not None:
                return self._generate(request, reader)
            self._send(
                routes.answer(
                    self._simulator,
                    method=request.method,
                    path=request.path,
                    body=request.body,
                )
            )
        except errors.Refusal as refusal:
            self._send(refusal.response())
        return self._next()

    def _authorise(self, request: Request) -> None:
        key = self._simulator.settings.api_key
        # vLLM guards this prefix only: its metrics and tokenizer are open to all.
        if key is None or not request.path.startswith(b"/v1"):
            return
        shown = request.headers.get(b"authorization", b"")
        if not secrets.compare_digest(shown, b"Bearer " + key.encode()):
            raise errors.unauthorized()

    def _generate(self, request: Request, reader: Callable[..., Order]) -> None:
        if request.method != b"POST":
            raise errors.method_not_allowed(allow="POST")
        media_type = request.headers.get(b"content-type", b"").partition(b";")[0]
        if media_type.strip().lower() != b"application/json":
            raise errors.unsupported_media_type()
        behaviour: Behaviour = self._simulator.behaviour
        order = reader(request.body, behaviour=behaviour)
        given = request.headers.get(b"x-request-id", b"").decode("latin-1")
        label = Label(given or secrets.token_hex(8), int(time.time()), behaviour.model)
        kind = StreamedGeneration if order.stream else WholeGeneration
        self._generation = kind(
            order,
            label,
            behaviour=behaviour,
            counters=self._simulator.counters,
            write=self._send,
            finished=self._generated,
        )
        self._generation.start()

    def _generated(self) -> None:
        self._generation = None
        self._next()

    def _next(self) -> None:
        if not self._keep_alive:
            self._hang_up()
        elif self._waiting:
            self._answer(self._waiting.popleft())

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _abort_generation(self) -> None:
        generation, self._generation = self._generation, None
        if generation is not None:
            self._waiting.clear()
            generation.abort()
