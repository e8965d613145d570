"""A way through an HTTP proxy to an engine behind TLS: CONNECT, and nothing else.

Failure: a proxy that does not open the way is an `OSError`, as an engine would be that
cannot be reached.
"""

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from inference.engines.origin import Origin

HEAD_BYTES_MAX = 16 * 1024
_END = b"\r\n\r\n"


class TunnelError(OSError):
    """The proxy did not open the way."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of plain HTTP, and what it wants to see of us."""

    host: str
    port: int
    authorization: str

    @classmethod
    def parse(cls, url: str) -> "Proxy | None":
        """Read `http://user:password@host:port`; nothing is no proxy."""
        if not url:
            return None
        parts = urlsplit(url)
        shown = ""
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            shown = f"Basic {b64encode(secret.encode()).decode()}"
        return cls(parts.hostname or "", parts.port or 3128, shown)


async def open_tunnel(proxy: Proxy, origin: Origin) -> asyncio.Transport:
    """Return a connection through the proxy that nothing was sent on yet."""
    loop = asyncio.get_running_loop()
    transport, opening = await loop.create_connection(
        lambda: _Opening(loop), proxy.host, proxy.port
    )
    try:
        lines = [
            f"CONNECT {origin.authority} HTTP/1.1",
            f"host: {origin.authority}",
        ]
        if proxy.authorization:
            lines.append(f"proxy-authorization: {proxy.authorization}")
        transport.write("\r\n".join(lines).encode("latin-1") + _END)
        await opening.opened
    except BaseException:
        transport.abort()
        raise
    # Until TLS takes over nobody may be given what comes.
    transport.pause_reading()
    return transport


class _Opening(asyncio.Protocol):
    """Reads the proxy's answer; a byte behind it would be nobody's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.opened: asyncio.Future[None] = loop.create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """Collect the head of the answer."""
        self._head += data
        if self.opened.done():
            return
        if self._head.endswith(_END):
            status = self._head.split(b" ", 2)[1:2]
            self._end(None if status == [b"200"] else TunnelError("refused"))
        elif _END in self._head or len(self._head) > HEAD_BYTES_MAX:
            self._end(TunnelError("not an answer to CONNECT"))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what waits for an answer."""
        if not self.opened.done():
            self._end(TunnelError("closed"))

    def _end(self, error: TunnelError | None) -> None:
        if error is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(error)
