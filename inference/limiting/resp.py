"""The protocol of Redis (RESP2): commands to bytes, bytes to replies, in any pieces.

Failure: what is no RESP, or larger than any reply we ask for, is a `RespError`, and the
connection it came on is of no more use. An error that the server reports is a value,
`ServerError`: the connection goes on. Pure.
"""

from collections.abc import Iterator, Sequence

REPLY_BYTES_MAX = 65_536
ELEMENTS_MAX = 1_024
DEPTH_MAX = 4
_BULK, _INTEGER, _SIMPLE, _ERROR, _ARRAY = b"$:+-*"

Argument = bytes | str | int


class RespError(Exception):
    """What came is no reply, or none that we asked for."""


class ServerError(Exception):
    """The server's own error: its code, such as NOSCRIPT, and the rest of the line."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.code = line.partition(" ")[0]


Reply = bytes | int | None | ServerError | list["Reply"]


class _Incomplete(Exception):
    """The rest of a reply is still to come."""


def bulk(argument: Argument) -> bytes:
    """Return one argument as it is sent."""
    data = argument if isinstance(argument, bytes) else str(argument).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def command(bulks: Sequence[bytes]) -> bytes:
    """Return a command of such arguments."""
    return b"*%d\r\n" % len(bulks) + b"".join(bulks)


def encode(*arguments: Argument) -> bytes:
    """Return a command as it is sent."""
    return command([bulk(argument) for argument in arguments])


class ReplyReader:
    """Cuts what arrives into replies."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that are complete; raises `RespError`."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        try:
            while at < len(buffer):
                reply, at = _read(buffer, at, 0)
                yield reply
        except _Incomplete:
            if len(buffer) - at > REPLY_BYTES_MAX:
                raise RespError("a reply has no end") from None
        finally:
            self._buffer = buffer[at:]


def _read(buffer: bytes, at: int, depth: int) -> tuple[Reply, int]:
    """Return the reply that begins at `at`, and where the next one does."""
    end = buffer.find(b"\r\n", at)
    if end < 0:
        raise _Incomplete
    kind, line, after = buffer[at], buffer[at + 1 : end], end + 2
    if kind == _BULK:
        return _read_bulk(buffer, _size(line, REPLY_BYTES_MAX), after)
    if kind == _INTEGER:
        return _integer(line), after
    if kind == _SIMPLE:
        return line, after
    if kind == _ERROR:
        return ServerError(line.decode("utf-8", "replace")), after
    if kind == _ARRAY and depth < DEPTH_MAX:
        size = _size(line, ELEMENTS_MAX)
        if size < 0:
            return None, after
        elements: list[Reply] = []
        for _ in range(size):
            element, after = _read(buffer, after, depth + 1)
            elements.append(element)
        return elements, after
    raise RespError(f"a reply begins with {buffer[at : at + 1]!r}")


def _read_bulk(buffer: bytes, size: int, at: int) -> tuple[Reply, int]:
    if size < 0:
        return None, at
    end = at + size
    if len(buffer) < end + 2:
        raise _Incomplete
    if buffer[end : end + 2] != b"\r\n":
        raise RespError("a reply is longer than it says")
    return buffer[at:end], end + 2


def _size(line: bytes, size_max: int) -> int:
    size = _integer(line)
    if not -1 <= size <= size_max:
        raise RespError(f"a reply of size {size}")
    return size


def _integer(line: bytes) -> int:
    try:
        return int(line)
    except ValueError:
        raise RespError("a number is none") from None
