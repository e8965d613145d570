"""A lean HTTP/1.1 client for engines, with one exchange at a time per connection.

A connection goes back to the pool only when its answer has been read to the end and
nothing is left over: returning it earlier is how answers reach the wrong tenant.
Failure: everything that goes wrong is an `EngineError`; an exchange that is not read to
its end is cut off, which makes the engine stop. One watchdog per pool sweeps the
deadlines of all exchanges.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

# Engines under uvicorn close idle connections after five seconds: ours are younger.
IDLE_S_MAX = 3.0
BUFFER_BYTES_MAX = 256 * 1024
SWEEP_S = 0.25


class EngineError(Exception):
    """Something between us and an engine failed."""


class EngineUnreachableError(EngineError):
    """No connection could be made, or a kept one was gone: nothing was taken."""


class EngineLostError(EngineError):
    """The connection broke after the request was sent."""


class EngineSilentError(EngineError):
    """The engine said nothing for longer than its deadline."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The patience with an engine, in seconds."""

    connect: float
    first_byte: float
    idle: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an engine listens: scheme, host, port, and the path before its API."""

    host: str
    port: int
    tls: bool
    prefix: str

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Read a base URL; a trailing `/v1` is the API's own and is taken off."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        prefix = parts.path.rstrip("/").removesuffix("/v1")
        return cls(
            parts.hostname or "", parts.port or (443 if tls else 80), tls, prefix
        )


class Exchange(asyncio.Protocol):
    """One connection to an engine and the exchange that runs on it.

    Use: `send`, then `head`, then `read` until it returns nothing, then `close`.
    `interrupt` may come from anywhere and makes the reader raise.
    """

    def __init__(self, pool: "EnginePool", origin: Origin) -> None:
        self._pool = pool
        self._loop = pool.loop
        self.origin = origin
        self.is_reused = False
        self.idle_since = 0.0
        self.deadline = 0.0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._waiter: asyncio.Future[None] | None = None
        self._head_done = False
        self._complete = True
        self._keeps_alive = False
        self._dirty = False
        self._headless_body = False
        self._reading_paused = False
        self._error: BaseException | None = None

    # What a caller does ------------------------------------------------------------

    def send(self, head: bytes, body: bytes, *, bodiless: bool = False) -> None:
        """Write a request; `bodiless` when its answer has no body, whatever it says."""
        self.status = 0
        self.headers = []
        self._parser = httptools.HttpResponseParser(self)
        self._head_done = self._complete = self._keeps_alive = False
        self._headless_body = bodiless
        self.deadline = self._loop.time() + self._pool.timeouts.first_byte
        self._pool.running.add(self)
        if self._transport is None or self._transport.is_closing():
            self._fail(EngineUnreachableError("the connection was closed"))
            return
        self._transport.write(head + body if len(body) < 65536 else head)
        if len(body) >= 65536:
            self._transport.write(body)

    async def head(self) -> int:
        """Wait for the status line and the headers; return the status."""
        while not self._head_done:
            await self._wait()
        return self.status

    async def read(self) -> bytes:
        """Return what has come of the body since the last call; nothing at its end."""
        while not self._chunks:
            if self._complete:
                return b""
            await self._wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    async def read_all(self, *, bytes_max: int) -> bytes:
        """Read the whole body; raises `EngineLostError` when it is too large."""
        parts: list[bytes] = []
        size = 0
        while data := await self.read():
            parts.append(data)
            size += len(data)
            if size > bytes_max:
                raise EngineLostError("the engine's answer is too large")
        return b"".join(parts)

    def interrupt(self, error: BaseException) -> None:
        """Make the reader raise this error, now or at its next call."""
        self._fail(error)

    def close(self) -> None:
        """Give the connection back if its answer was read to the end, else cut it."""
        self._pool.running.discard(self)
        usable = (
            self._complete
            and not self._chunks
            and not self._dirty
            and self._error is None
            and self._keeps_alive
            and self._transport is not None
            and not self._transport.is_closing()
        )
        if usable:
            self._pool.give_back(self)
        elif self._transport is not None:
            self._transport.abort()

    def discard(self) -> None:
        """Close a kept connection for good."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        """Tell whether the connection can carry another exchange."""
        return self._transport is not None and not self._transport.is_closing()

    # What the event loop does -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange that was running; an answer may end with its connection."""
        self._transport = None
        if self._complete:
            self._pool.forget(self)
            return
        if self._head_done and not self._is_framed():
            self._complete = self._dirty = True
            self._wake()
            return
        untouched = self.is_reused and self.status == 0
        kind = EngineUnreachableError if untouched else EngineLostError
        self._fail(kind("the engine closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Feed the parser and wake the reader once."""
        if self._complete or self._parser is None:
            self._dirty = True
            if self._transport is not None:
                self._transport.abort()
            return
        self.deadline = self._loop.time() + self._pool.timeouts.idle
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(EngineLostError(f"not HTTP: {type(error).__name__}"))
            return
        if self._buffered > BUFFER_BYTES_MAX and not self._reading_paused:
            self._reading_paused = True
            if self._transport is not None:
                self._transport.pause_reading()
        self._wake()

    # What the parser does -------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Notice a second answer to one request."""
        if self._complete or self._head_done:
            self._dirty = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take the status; an interim answer is skipped."""
        if self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        self.status = status
        self._head_done = True
        if self._headless_body:
            self._complete = self._dirty = True

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body."""
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self._head_done and self._parser is not None:
            self._complete = True
            self._keeps_alive = self._parser.should_keep_alive()

    # Inside
    # -----------------------------------------------------------------------------

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            self._wake()

    def _is_framed(self) -> bool:
        return any(
            name in {b"content-length", b"transfer-encoding"}
            for name, _ in self.headers
        )


class EnginePool:
    """Keep-alive connections to all engines, and the watchdog over their exchanges."""

    def __init__(self, *, timeouts: Timeouts) -> None:
        self.loop = asyncio.get_running_loop()
        self.timeouts = timeouts
        self.running: set[Exchange] = set()
        self._idle: dict[Origin, deque[Exchange]] = {}
        self._tls = ssl.create_default_context()
        self._watchdog = self.loop.create_task(self._sweep(), name="engine watchdog")

    async def request(
        self,
        origin: Origin,
        *,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> Exchange:
        """Send a request, on a kept connection where there is one.

        Raises `EngineUnreachableError` when no connection can be made.
        """
        head = request_head(
            origin, method=method, path=path, headers=headers, length=len(body)
        )
        exchange = self._kept(origin) or await self._connect(origin)
        exchange.send(head, body, bodiless=method == "HEAD")
        return exchange

    def give_back(self, exchange: Exchange) -> None:
        """Keep a connection whose answer has been read to the end."""
        exchange.is_reused = True
        exchange.idle_since = self.loop.time()
        self._idle.setdefault(exchange.origin, deque()).append(exchange)

    def forget(self, exchange: Exchange) -> None:
        """Drop a kept connection that the engine closed."""
        idle = self._idle.get(exchange.origin)
        if idle is not None and exchange in idle:
            idle.remove(exchange)

    async def close(self) -> None:
        """Stop the watchdog and close every connection."""
        self._watchdog.cancel()
        for exchange in list(self.running):
            exchange.interrupt(EngineLostError("the gateway stops"))
        for idle in self._idle.values():
            while idle:
                idle.pop().discard()

    def _kept(self, origin: Origin) -> Exchange | None:
        idle = self._idle.get(origin)
        young = self.loop.time() - IDLE_S_MAX
        while idle:
            # The youngest first, so that surplus connections grow old and go.
            exchange = idle.pop()
            if exchange.is_open and exchange.idle_since >= young:
                return exchange
            if exchange.is_open:
                exchange.discard()
        return None

    async def _connect(self, origin: Origin) -> Exchange:
        try:
            async with asyncio.timeout(self.timeouts.connect):
                _, exchange = await self.loop.create_connection(
                    lambda: Exchange(self, origin),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.tls else None,
                )
        except (OSError, TimeoutError) as error:
            raise EngineUnreachableError(type(error).__name__) from error
        return exchange

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self.loop.time()
            for exchange in [item for item in self.running if item.deadline < now]:
                exchange.interrupt(EngineSilentError("no answer in time"))


def request_head(
    origin: Origin, *, method: str, path: str, headers: Mapping[str, str], length: int
) -> bytes:
    """Write the head of a request; header values are ours and hold no line breaks."""
    lines = [f"{method} {origin.prefix}{path} HTTP/1.1"]
    if "host" not in headers:
        lines.append(f"host: {origin.host}:{origin.port}")
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    if length or method in {"POST", "PUT", "PATCH"}:
        lines.append(f"content-length: {length}")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return text.encode("latin-1")
