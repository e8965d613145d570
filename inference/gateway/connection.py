"""The client's side of a request: what has left this process, and is it still there.

A subclass of uvicorn's protocol with a write buffer of nothing: a write either is in
the kernel when it returns, or pauses the protocol. The application gets a `Downstream`
in the scope's extensions. TLS ends in front of the gateway; a proxy's buffers count as
delivered.
"""

import asyncio
import socket
from collections.abc import Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "tollgate.downstream"
# How much the kernel takes before it has sent: the backpressure that a slow reader
# gives.
NOTSENT_LOWAT_BYTES = 16 * 1024
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


class ClientGoneError(Exception):
    """The client has closed its connection."""


class Downstream:
    """Flow control and presence of one request's client."""

    __slots__ = ("_connection", "_listener")

    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection
        self._listener: Callable[[], None] | None = None

    @property
    def is_lost(self) -> bool:
        """Tell whether the client is gone."""
        return self._connection.transport.is_closing()

    def on_lost(self, listener: Callable[[], None] | None) -> None:
        """Call the listener once when the client leaves; None takes it off again."""
        self._listener = listener
        if listener is not None and self.is_lost:
            listener()

    async def drained(self) -> None:
        """Return once all that was written is in the kernel; raise if it is lost."""
        flow = self._connection.flow
        if flow.write_paused:
            await flow.drain()
        if self.is_lost:
            raise ClientGoneError

    async def begun(self, last_bytes: int) -> bool:
        """Tell whether the kernel took the first byte of an answer's last write.

        An answer may end with the connection, so a closing one is not a lost one here.
        """
        if not self._connection.cycle.response_complete:
            return False
        transport = self._connection.transport
        if transport.get_write_buffer_size() < last_bytes:
            return True
        await self._connection.flow.drain()
        return not transport.is_closing()

    def abort(self) -> None:
        """Drop the connection: nobody reads what it still holds."""
        self._connection.transport.abort()

    def lost(self) -> None:
        """Pass on that the connection is lost."""
        if self._listener is not None:
            self._listener()


class ClientConnection(HttpToolsProtocol):
    """One client connection of the gateway."""

    _downstream: Downstream | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand every write to the kernel at once, little ahead of what it has sent."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        sock: Any = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_message_begin(self) -> None:
        """Give the request's scope its view of the connection."""
        super().on_message_begin()
        self._downstream = Downstream(self)
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {EXTENSION: self._downstream}

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for the client."""
        super().connection_lost(exc)
        if self._downstream is not None:
            self._downstream.lost()
