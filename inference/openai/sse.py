"""Split a server-sent event stream into events, at whatever bytes it is cut.

Only what an engine sends matters here: an event's data, and comments, which keep a
silent stream alive. Line ends may be LF, CRLF or CR; a data line of JSON holds none of
them unescaped.
"""

EVENT_BYTES_MAX = 8 * 1024 * 1024


class EventTooLargeError(Exception):
    """One event is larger than any engine has reason to send."""


class EventSplitter:
    """Collects bytes and gives out whole events.

    An event is given as its data, several data lines joined by a newline. A block that
    holds only comments is given as it is, beginning with a colon.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete, in order."""
        text = self._rest + data if self._rest else data
        if _is_one_event(text):
            self._rest = b""
            return [text[6:-2]]
        if b"\r" in text:
            # A CR at the very end may be half of a CRLF: leave it for the next bytes.
            tail = b"\r" if text.endswith(b"\r") else b""
            text = text[: len(text) - len(tail)]
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
        *blocks, self._rest = text.split(b"\n\n")
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EventTooLargeError
        return [event for block in blocks if (event := _data_of(block))]

    @property
    def is_between_events(self) -> bool:
        """Tell whether the stream stops cleanly here, with no half event left over."""
        return not self._rest.strip()


def _is_one_event(text: bytes) -> bool:
    """Tell whether this is one data line and its end: the rule, at a token a read."""
    return (
        text.startswith(b"data: ")
        and text.find(b"\n") == len(text) - 2
        and text.endswith(b"\n")
        and b"\r" not in text
        and len(text) > 8
    )


def _data_of(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = block.strip(b"\n").split(b"\n")
    data = [
        line[5:].removeprefix(b" ")
        for line in lines
        if line == b"data" or line.startswith(b"data:")
    ]
    if data:
        return b"\n".join(data)
    if any(line.startswith(b":") for line in lines):
        return b"\n".join(line for line in lines if line.startswith(b":"))
    return b""
