"""Split Amazon's event stream, frames with checksums, at whatever bytes it is cut.

Failure: a frame that is damaged is a `StreamFormatError`, one that is larger than any
engine has reason to send an `EventTooLargeError`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from botocore import eventstream

from inference.openai.sse import EVENT_BYTES_MAX, EventTooLargeError
from inference.openai.stream import StreamFormatError

# The parser moves what is left with each frame that it takes off the front.
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: what it is by name, whether it tells of a failure, and its content."""

    name: str
    is_exception: bool
    payload: bytes


class _Prelude(Protocol):
    total_length: int


class _Message(Protocol):
    prelude: _Prelude
    headers: Mapping[str, Any]
    payload: bytes


class _Buffer(Protocol):
    def add_data(self, data: bytes) -> None: ...

    def __iter__(self) -> Iterator[_Message]: ...

    def __next__(self) -> _Message: ...


class FrameSplitter:
    """Collects bytes and gives out whole frames."""

    def __init__(self) -> None:
        self._buffer = cast("_Buffer", eventstream.EventStreamBuffer())
        self._pending = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and return the frames that they complete, in order."""
        frames: list[Frame] = []
        for start in range(0, len(data), _PIECE_BYTES):
            piece = data[start : start + _PIECE_BYTES]
            self._pending += len(piece)
            self._buffer.add_data(piece)
            while (message := self._next()) is not None:
                self._pending -= message.prelude.total_length
                frames.append(_frame_of(message))
            if self._pending > EVENT_BYTES_MAX:
                raise EventTooLargeError
        return frames

    def _next(self) -> _Message | None:
        try:
            return next(self._buffer, None)
        except Exception as error:
            # Besides errors of its own, the parser lets through whatever the bytes of
            # a header lead to: wrong text, a type that is none, a length too long.
            raise StreamFormatError("a damaged frame") from error


def _frame_of(message: _Message) -> Frame:
    headers = message.headers
    kind = headers.get(":message-type")
    if kind == "event":
        return Frame(str(headers.get(":event-type", "")), False, message.payload)
    if kind == "exception":
        return Frame(str(headers.get(":exception-type", "")), True, message.payload)
    if kind == "error":
        return Frame(str(headers.get(":error-code", "")), True, message.payload)
    raise StreamFormatError("a frame of no known type")
