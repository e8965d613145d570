"""Where an engine listens, how patient we are with it, and what can go wrong.

Every failure is an `EngineError`. Unreachable: nothing was taken, so another replica
may be tried. Lost: it broke off, or answered what is no answer. Silent: it said nothing
for too long. Overdue: it went on saying something for too long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlsplit


class EngineError(Exception):
    """Something between us and an engine failed."""


class EngineUnreachableError(EngineError):
    """No connection could be made, or a kept one was gone: nothing was taken."""


class EngineLostError(EngineError):
    """The connection broke after the request was sent."""


class EngineSilentError(EngineError):
    """The engine said nothing for longer than its deadline."""


class EngineOverdueError(EngineError):
    """The engine's answer took longer than any may take: no sign of its health."""


class Deadline(StrEnum):
    """What an engine can be too late for."""

    CONNECT = "connect"
    FIRST_BYTE = "first_byte"
    IDLE = "idle"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The patience with an engine, in seconds.

    `first_byte` is from a request's last byte to the first of the answer's body: an
    engine may send its head long before it has anything to say. `idle` is between two
    pieces of the body, `total` from the request to the answer's end.
    """

    connect: float
    first_byte: float
    idle: float
    total: float = 3600.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an engine listens: scheme, host, port, and the path before its API."""

    host: str
    port: int
    tls: bool
    prefix: str

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Read a base URL; a trailing `/v1` is the API's own and is taken off.

        `ValueError`: it names no host, or a port that there cannot be.
        """
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        port = parts.port
        if not parts.hostname or port == 0:
            raise ValueError("no host, or no port")
        prefix = parts.path.rstrip("/").removesuffix("/v1")
        return cls(parts.hostname, port or (443 if tls else 80), tls, prefix)

    @property
    def authority(self) -> str:
        """Return the value of the `host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def host_header(self) -> str:
        """Return the host as it is sent and signed: without the scheme's own port."""
        return self.authority.removesuffix(":443" if self.tls else ":80")


@lru_cache(maxsize=1024)
def origin_of(url: str) -> Origin:
    """Return the origin of a base URL, read once."""
    try:
        return Origin.parse(url)
    except ValueError as error:
        raise EngineUnreachableError("its address is none") from error


def request_head(
    origin: Origin, *, method: str, path: str, headers: Mapping[str, str], length: int
) -> bytes:
    """Write the head of a request; header values are ours and hold no line breaks."""
    lines = [f"{method} {origin.prefix}{path} HTTP/1.1"]
    if "host" not in headers:
        lines.append(f"host: {origin.authority}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length or method in {"POST", "PUT", "PATCH"}:
        lines.append(f"content-length: {length}")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return text.encode("latin-1")
