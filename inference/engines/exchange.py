"""One connection to an engine, and the one exchange that runs on it at a time.

Failure: everything that goes wrong is an `EngineError`; an exchange that is not read to
its end is cut off, which makes the engine stop. Nothing that follows an answer on its
connection is ever taken for a part of it, or of the next one.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import httptools

from inference.engines.origin import (
    Deadline,
    EngineLostError,
    EngineOverdueError,
    EngineSilentError,
    EngineUnreachableError,
    Origin,
    Timeouts,
)

# Takes what has come of a body, and tells whether it can take more at once.
Take = Callable[[bytes], bool]

BUFFER_BYTES_MAX = 256 * 1024
HEAD_BYTES_MAX = 64 * 1024


class Interrupt(Protocol):
    """Makes whoever reads an engine's answer raise.

    What has come already is read first, or dropped when it is to stop `at_once`.
    """

    def __call__(self, error: BaseException, *, at_once: bool = False) -> None:
        """Let the reader raise the error."""
        ...


class Keeper(Protocol):
    """Who owns the connections: the pool."""

    loop: asyncio.AbstractEventLoop
    timeouts: Timeouts
    running: set["Exchange"]

    def give_back(self, exchange: "Exchange") -> None:
        """Keep a connection whose answer has been read to the end."""
        ...

    def forget(self, exchange: "Exchange") -> None:
        """Drop a kept connection that the engine closed."""
        ...


class Exchange(asyncio.Protocol):
    """One connection to an engine and the exchange that runs on it.

    Use: `send`, then `head`, then `read` until it returns nothing, then `close`.
    """

    def __init__(self, keeper: Keeper, origin: Origin) -> None:
        self._keeper = keeper
        self._loop = keeper.loop
        self.origin = origin
        self.is_reused = self._has_begun = False
        self.idle_since = self.deadline = self._ends_by = 0.0
        self.status = self._number = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._chunks: list[bytes] = []
        self._buffered = self._head_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        # Who is given the body as it comes, and whether it has had enough for now.
        self._take: Take | None = None
        self._is_sated = False
        self._complete = True
        self._head_done = self._keeps_alive = self._dirty = False
        self._bodiless = self._reading_paused = False
        self._error: BaseException | None = None
        self._stopped: BaseException | None = None
        self._on_complete: Callable[[], None] | None = None

    # What a caller does ------------------------------------------------------------

    def send(self, head: bytes, body: bytes, *, bodiless: bool = False) -> None:
        """Write a request; `bodiless` when its answer has no body, whatever it says."""
        self._number += 1
        self.status, self.headers = 0, []
        self._parser = httptools.HttpResponseParser(self)
        self._head_done = self._complete = self._keeps_alive = False
        self._head_bytes = 0
        self._bodiless = bodiless
        now, timeouts = self._loop.time(), self._keeper.timeouts
        self.deadline = now + timeouts.first_byte
        self._ends_by = now + timeouts.total
        self._has_begun = False
        self._keeper.running.add(self)
        if self._transport is None or self._transport.is_closing():
            self._fail(EngineUnreachableError("the connection was closed"))
            return
        self._transport.writelines((head, body))

    async def head(self) -> int:
        """Wait for the status line and the headers; return the status."""
        while not self._head_done:
            await self._wait()
        return self.status

    async def begun(self) -> None:
        """Wait until something of the body is there, or its end, and leave it there."""
        while not self._chunks and not self._complete:
            self.raise_if_stopped()
            await self._wait()

    async def read(self) -> bytes:
        """Return what has come of the body since the last call; nothing at its end."""
        while True:
            self.raise_if_stopped()
            if self._chunks:
                break
            if self._complete:
                return b""
            # The engine's patience is used up only while somebody waits for it, not
            # while a slow client takes what has come already. A head by itself is no
            # beginning: some send it before they have looked at the prompt.
            if self._has_begun:
                self.deadline = self._loop.time() + self._keeper.timeouts.idle
            await self._wait()
        return self._buffered_body()

    async def pour(self, take: Take) -> bool:
        """Give the body to `take` as it comes, until it has enough or the body ends.

        Tell whether the body has ended. The loop itself calls `take` with what it has
        read: nobody is woken for each chunk. What that raises is raised here.
        """
        while True:
            self.raise_if_stopped()
            if self._chunks:
                if not take(self._buffered_body()):
                    return False
                continue
            if self._complete:
                return True
            if self._has_begun:
                self.deadline = self._loop.time() + self._keeper.timeouts.idle
            self._take, self._is_sated = take, False
            try:
                await self._wait()
            finally:
                self._take = None
            if self._is_sated:
                return False

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

    def when_complete(self, tell: Callable[[], None]) -> None:
        """Tell once the engine has said all, be it read by then or not."""
        self._on_complete = tell
        self._wake()

    def raise_if_stopped(self) -> None:
        """Raise what the exchange was stopped with, if it was."""
        if self._stopped is not None:
            raise self._stopped

    def interrupter(self) -> Interrupt:
        """Return what makes the reader of this exchange raise.

        It may be called at any time: once this exchange is closed it does nothing, for
        the connection may serve somebody else by then.
        """
        number = self._number

        def interrupt(error: BaseException, *, at_once: bool = False) -> None:
            if self._number != number:
                return
            if at_once:
                self._stop(error)
            self._fail(error)

        return interrupt

    def interrupt_if_late(self, now: float) -> Deadline | None:
        """Make a reader raise that has waited past a deadline; return which it was."""
        if self._error is not None or self._complete:
            return None
        if self._waiter is not None and self.deadline < now:
            self._fail(EngineSilentError("no answer in time"))
            return Deadline.IDLE if self._has_begun else Deadline.FIRST_BYTE
        if self._ends_by < now:
            # Whoever reads need not wait for it: there may always be more to read.
            error = EngineOverdueError("the answer takes too long")
            self._stop(error)
            self._fail(error)
            return Deadline.TOTAL
        return None

    def was_heard(self, since: float) -> bool:
        """Tell whether something of an answer's body has come since then."""
        # The patience begins anew with each piece that is taken.
        return self._has_begun and self.deadline - self._keeper.timeouts.idle >= since

    def give_up_waiting(self) -> None:
        """Make a reader raise that waits for the first of an answer."""
        if self._waiter is not None and not self._has_begun and not self._complete:
            self._fail(EngineLostError("the engine shows no sign of life"))

    def close(self) -> None:
        """Give the connection back if its answer was read to the end, else cut it."""
        self._number += 1
        self._on_complete = None
        self._keeper.running.discard(self)
        usable = (
            self._complete
            and not self._chunks
            and not self._dirty
            and self._error is None
            and self._keeps_alive
            and self.is_open
        )
        if usable:
            self._keeper.give_back(self)
        else:
            self.discard()

    def discard(self) -> None:
        """Close the connection for good."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        """Tell whether the connection can carry another exchange."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_sent(self) -> bool:
        """Tell whether the whole request has left this process."""
        transport = self._transport
        return transport is not None and transport.get_write_buffer_size() == 0

    # What the event loop does -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange that was running; an answer may end with its connection."""
        self._transport = None
        if self._complete:
            self._keeper.forget(self)
            return
        if self._head_done and exc is None and not self._is_framed():
            self._complete = self._dirty = True
            self._wake()
            return
        untouched = self.is_reused and self.status == 0 and not self._head_bytes
        kind = EngineUnreachableError if untouched else EngineLostError
        self._fail(kind("the engine closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Feed the parser and wake the reader once."""
        if self._complete or self._parser is None:
            self._dirty = True
            self.discard()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(EngineLostError(f"not HTTP: {type(error).__name__}"))
            return
        if not self._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._fail(EngineLostError("the head of the answer is too large"))
        if self._take is not None:
            self._pour(self._take)
            return
        if self._buffered > BUFFER_BYTES_MAX and not self._reading_paused:
            self._reading_paused = True
            if self._transport is not None:
                self._transport.pause_reading()
        self._wake()

    def _pour(self, take: Take) -> None:
        """Pass on what has come, to whoever waits for it in `pour`."""
        try:
            if self._chunks and self._stopped is None:
                self.deadline = self._loop.time() + self._keeper.timeouts.idle
                self._is_sated = not take(self._buffered_body())
        except BaseException as error:
            self._take = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
            return
        if self._is_sated or self._complete:
            self._take = None
            self._wake()

    # What the parser does -------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Notice a second answer to one request; no part of it is used."""
        if self._complete:
            self._dirty = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        if not self._head_done:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take the status; an interim answer is skipped."""
        if self._parser is None or self._head_done:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        self.status = status
        self._head_done = True
        if self._bodiless:
            self._complete = self._dirty = True

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body."""
        if not self._complete:
            self._chunks.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self._head_done and self._parser is not None:
            self._complete = True
            # The parser knows this now and no later.
            self._keeps_alive = self._parser.should_keep_alive()

    # Inside -------------------------------------------------------------------------

    def _buffered_body(self) -> bytes:
        """Return what has come of the body, and let more come."""
        chunks, self._chunks = self._chunks, []
        self._has_begun, self._buffered = True, 0
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            # An error that came behind something good is raised by the next wait.
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._complete and self._on_complete is not None:
            tell, self._on_complete = self._on_complete, None
            tell()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop(self, error: BaseException) -> None:
        """Let the reader have nothing more, not even what has come."""
        if self._stopped is None:
            self._stopped = error
            # An engine that answers must not go on for a client that dawdles. Of one
            # that does not yet, it is still to be seen what it was sent.
            if self._head_done:
                self.discard()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            self._wake()

    def _is_framed(self) -> bool:
        return any(
            name in {b"content-length", b"transfer-encoding"}
            for name, _ in self.headers
        )
