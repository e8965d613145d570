"""A TCP proxy in the test's own event loop that breaks connections in chosen ways.

It can drop every connection, refuse new ones, freeze (nothing is passed on, nothing is
closed, as with a machine that hangs), and cut a connection after an exact number of
bytes in either direction: what came before is delivered, what comes after never is.
Failure: an address nobody listens at closes the client's connection. Owns: its sockets
and tasks, all gone after `async with`.
"""

import asyncio
import contextlib
import enum
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536
LOOPBACK = "127.0.0.1"


class Direction(enum.Enum):
    """Which way bytes travel."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


@dataclass(slots=True, eq=False)
class Pair:
    """One client's connection and the one behind it."""

    writers: dict[Direction, asyncio.StreamWriter]

    def close(self) -> None:
        """Break both sides."""
        for writer in self.writers.values():
            writer.transport.abort()


@dataclass(slots=True)
class TcpProxy:
    """Stands between a client and the server at `host` and `port`."""

    host: str
    port: int
    passed: dict[Direction, int] = field(
        default_factory=lambda: dict.fromkeys(Direction, 0)
    )
    cuts: int = 0
    is_refusing: bool = False
    _left: dict[Direction, int | None] = field(
        default_factory=lambda: dict.fromkeys(Direction, None)
    )
    _pairs: set[Pair] = field(default_factory=set)
    _orphans: list[Pair] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _moving: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    @classmethod
    def before(cls, url: str) -> Self:
        """Return a proxy, not started yet, to the server that a URL names."""
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError("the URL names no host and port")
        return cls(parts.hostname, parts.port)

    async def __aenter__(self) -> Self:
        self._moving.set()
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()
        for pair in self._orphans:
            pair.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """Return how many connections are passed on now."""
        return len(self._pairs)

    def url(self, url: str) -> str:
        """Return the URL with the proxy's address in place of the server's."""
        if self._server is None:
            raise RuntimeError("the proxy is not started")
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{user}@{LOOPBACK}:{port}"))

    def drop(self) -> None:
        """Break every connection, on both sides."""
        for pair in list(self._pairs):
            self._break(pair)

    def lose_clients(self) -> None:
        """Break every connection without a word to the server, which goes on."""
        for pair in list(self._pairs):
            self._pairs.discard(pair)
            self._orphans.append(pair)
            pair.writers[Direction.TO_CLIENT].transport.abort()

    def refuse(self) -> None:
        """Break every new connection at once, until `accept`."""
        self.is_refusing = True

    def accept(self) -> None:
        """Pass new connections on again."""
        self.is_refusing = False

    def freeze(self) -> None:
        """Pass nothing on and close nothing, until `thaw`."""
        self._moving.clear()

    def thaw(self) -> None:
        """Pass on what was held, and what comes."""
        self._moving.set()

    def cut_after(self, left: int, direction: Direction) -> None:
        """Pass `left` more bytes this way, and break the connection that has more."""
        self._left[direction] = left

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        pair = Pair({Direction.TO_CLIENT: writer, Direction.TO_SERVER: upstream[1]})
        self._pairs.add(pair)
        for source, direction in (
            (reader, Direction.TO_SERVER),
            (upstream[0], Direction.TO_CLIENT),
        ):
            task = asyncio.create_task(self._pump(source, pair, direction))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, pair: Pair, direction: Direction
    ) -> None:
        target = pair.writers[direction]
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await self._moving.wait()
                if self._pass(data, pair, direction):
                    return
                await target.drain()
        await self._moving.wait()
        self._break(pair)

    def _pass(self, data: bytes, pair: Pair, direction: Direction) -> bool:
        """Write what may pass; tell whether the connection was cut."""
        target, left = pair.writers[direction], self._left[direction]
        is_cut = left is not None and len(data) > left
        data = data[:left] if is_cut else data
        target.write(data)
        self.passed[direction] += len(data)
        if left is None:
            return False
        self._left[direction] = None if is_cut else left - len(data)
        if is_cut:
            self.cuts += 1
            self._break(pair)
        return is_cut

    def _break(self, pair: Pair) -> None:
        if pair in self._pairs:
            self._pairs.discard(pair)
            pair.close()
