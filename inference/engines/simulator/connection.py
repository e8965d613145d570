"""One client's connection: HTTP/1.1 in, one request at a time, answers out.

Requests that arrive while an answer is under way wait their turn (pipelining). Reading
never pauses, because the end of the stream is how a client says that it has left.

Failure: end of file (a half-close included), a reset, or `BUFFER_BYTES_MAX` of unread
answer ends the generation at once. What cannot be parsed as HTTP ends the connection.
"""

import asyncio
import fcntl
import secrets
import socket
import struct
import termios
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import cast

import httptools

from inference.engines.simulator import errors, http1, routes
from inference.engines.simulator.answers import Label
from inference.engines.simulator.delivering import StreamedGeneration, WholeGeneration
from inference.engines.simulator.failing import failing_kind
from inference.engines.simulator.faults import (
    GENERATION_FAULTS,
    REFUSE,
    RESET_EARLY,
)
from inference.engines.simulator.generation import Generation
from inference.engines.simulator.pooling import (
    read_embedding,
    read_rerank,
    read_score,
)
from inference.engines.simulator.reading import Request, RequestReader
from inference.engines.simulator.requests import Order, read_chat, read_completion
from inference.engines.simulator.settings import Behaviour

BUFFER_BYTES_MAX = 64 * 1024 * 1024
PIPELINED_REQUESTS_MAX = 64
RESET_POLL_S = 0.001

_READERS: dict[bytes, Callable[..., Order]] = {
    b"/v1/chat/completions": read_chat,
    b"/v1/completions": read_completion,
    b"/v1/embeddings": read_embedding,
    b"/v1/rerank": read_rerank,
    b"/v1/score": read_score,
}


class Connection(asyncio.Protocol):
    """Parse requests, answer pages, run at most one generation."""

    def __init__(
        self, simulator: routes.Simulator, connections: set["Connection"]
    ) -> None:
        """Serve `simulator`, and be found in `connections` while open."""
        self._simulator = simulator
        self._connections = connections
        self._reader = RequestReader(
            received=self._received, invite=partial(self.write, http1.CONTINUE)
        )
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None]
        self._generation: Generation | None = None
        self._waiting: deque[Request] = deque()
        self._keep_alive = True
        self._given_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register, and ask to hear when the buffer passes its bound."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self._connections.add(self)
        self._simulator.engine.counters.connections += 1
        self.closed = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._reader.feed(data)
        except errors.Refusal as refusal:
            self.write(refusal.response())
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
        self._simulator.engine.counters.connections -= 1
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

    # The line of the answer under way.

    def write(self, data: bytes) -> None:
        """Send `data`, unless the client has gone."""
        if self._transport is not None:
            self._transport.write(data)

    def finished(self) -> None:
        """Go on with the next request."""
        self._take_generation()
        self._next()

    def cut(self) -> None:
        """Send what was written, then FIN; nothing more is answered."""
        self._give_up()
        self._hang_up()

    def reset(self) -> None:
        """Send what was written, then RST; nothing more is answered."""
        self._give_up()
        transport = self._transport
        if transport is None:
            return
        sock: socket.socket = transport.get_extra_info("socket")
        if transport.get_write_buffer_size() or _unacknowledged_bytes(sock):
            # A reset throws away what has not arrived yet.
            asyncio.get_running_loop().call_later(RESET_POLL_S, self.reset)
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    # Answering.

    def _received(self, request: Request) -> None:
        """Answer the request, or let it wait for the one before."""
        if self._given_up:
            return
        if self._generation is None:
            self._answer(request)
        elif len(self._waiting) < PIPELINED_REQUESTS_MAX:
            self._waiting.append(request)
        else:
            self.drop()

    def _answer(self, request: Request) -> None:
        self._keep_alive = request.keep_alive
        try:
            self._authorise(request)
            reader = _READERS.get(request.path)
            if reader is not None:
                return self._generate(request, reader)
            self.write(
                routes.answer(
                    self._simulator,
                    method=request.method,
                    path=request.path,
                    body=request.body,
                )
            )
        except errors.Refusal as refusal:
            self.write(refusal.response())
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
        simulator = self._simulator
        simulator.engine.check_room(order, behaviour)
        if behaviour.fault in GENERATION_FAULTS:
            kind = self._failing_kind(order, fault=behaviour.fault)
            if kind is None:
                return
        else:
            kind = StreamedGeneration if order.stream else WholeGeneration
        given = request.headers.get(b"x-request-id", b"").decode("latin-1")
        label = Label(given or secrets.token_hex(8), int(time.time()), behaviour.model)
        simulator.engine.counters.open_exchanges += 1
        self._generation = kind(
            order, label, behaviour=behaviour, engine=simulator.engine, line=self
        )
        self._generation.start()

    def _failing_kind(self, order: Order, *, fault: str) -> type[Generation] | None:
        """Return what will answer with this fault; none where nothing has to."""
        self._simulator.count_off_fault()
        if fault not in (REFUSE, RESET_EARLY):
            return failing_kind(fault, stream=order.stream)
        self._simulator.engine.counters.faults += 1
        if fault == REFUSE:
            raise errors.unavailable()
        self.reset()
        return None

    def _take_generation(self) -> Generation | None:
        """Return the generation under way, if any, and forget it."""
        generation, self._generation = self._generation, None
        if generation is not None:
            self._simulator.engine.counters.open_exchanges -= 1
        return generation

    def _next(self) -> None:
        if not self._keep_alive:
            self._hang_up()
        elif self._waiting:
            self._answer(self._waiting.popleft())

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _give_up(self) -> None:
        self._take_generation()
        self._waiting.clear()
        self._given_up = True

    def _abort_generation(self) -> None:
        generation = self._take_generation()
        if generation is not None:
            self._waiting.clear()
            generation.abort()


def _unacknowledged_bytes(sock: socket.socket) -> int:
    """Return how much the kernel holds that the other side's kernel does not."""
    size: int = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
    return size
