"""Split a server-sent event stream into events, at whatever bytes it is cut.

Only what an engine sends matters here: an event's data, and comments, which keep a
silent stream alive. Names, ids and retry times are read over. Line ends may be LF, CRLF
or CR; a byte order mark at the start is dropped; half an event at the end is no event.

Failure: an event without an end is refused at `EVENT_BYTES_MAX`. Each byte is looked at
a fixed number of times, so a large event in small pieces costs what it costs in one.
"""

EVENT_BYTES_MAX = 8 * 1024 * 1024
_MARK = b"\xef\xbb\xbf"
# What is less begins neither an object nor an end mark: it is looked at closely.
_JSON = b"["


class EventTooLargeError(Exception):
    """One event is larger than any engine has reason to send."""


class EventSplitter:
    """Collects bytes and gives out whole events, each with its last byte.

    An event is given as its data, several data lines joined by a newline. A block that
    holds only comments is given as it is, beginning with a colon, which no data does:
    data with a colon in front gets a space before it. Empty data is no event.
    """

    __slots__ = ("_after_cr", "_begins", "_is_clear", "_rest")

    def __init__(self) -> None:
        # The half event at the end of what came, its line ends made LF.
        self._rest = bytearray()
        # Whether a line feed that comes next belongs to the line end before it.
        self._after_cr = False
        # What may be the beginning of a byte order mark; None once that is decided.
        self._begins: bytes | None = b""
        # Whether nothing before the next byte matters to it.
        self._is_clear = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete, in order."""
        if self._is_clear:
            if events := _whole_events(data):
                return events
        elif self._begins is not None or self._after_cr:
            data = self._from_a_line(data)
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        rest = self._rest
        if rest:
            seam = len(rest) - 1
            rest += data
            if rest.rfind(b"\n\n", seam) < 0:
                _check_size(rest)
                return []
            data = bytes(rest)
            rest.clear()
        blocks = data.split(b"\n\n")
        if len(data) > EVENT_BYTES_MAX:
            for block in blocks:
                _check_size(block)
        rest += blocks.pop()
        self._is_clear = not rest and not self._after_cr and self._begins is None
        return [event for block in blocks if (event := _event_of(block))]

    def _from_a_line(self, data: bytes) -> bytes:
        """Return the next bytes without a mark in front, or half of a line end."""
        if self._begins is not None:
            data = self._begins + data
            if len(data) < len(_MARK) and _MARK.startswith(data):
                self._begins = data
                return b""
            self._begins = None
            data = data.removeprefix(_MARK)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        return data


def _whole_events(text: bytes) -> list[bytes]:
    """Return the events of a read that is nothing but lines of JSON and their ends.

    Nearly all reads are, at a token each or a few.
    """
    if not text.startswith(b"data: {") or not text.endswith(b"\n\n") or b"\r" in text:
        return []
    if text.find(b"\n") == len(text) - 2:
        return [text[6:-2]]
    events = text[6:-2].split(b"\n\ndata: ")
    is_plain = len(events) * 2 == text.count(b"\n") and min(events) >= _JSON
    return events if is_plain else []


def _event_of(block: bytes) -> bytes:
    """Return what a block says, or nothing."""
    if block.startswith(b"data: {") and b"\n" not in block:
        return block[6:]
    lines = block.strip(b"\n").split(b"\n")
    data = [
        line[5:].removeprefix(b" ")
        for line in lines
        if line == b"data" or line.startswith(b"data:")
    ]
    if data:
        event = data[0] if len(data) == 1 else b"\n".join(data)
        return b" " + event if event.startswith(b":") else event
    return b"\n".join(line for line in lines if line.startswith(b":"))


def _check_size(event: bytes | bytearray) -> None:
    if len(event) > EVENT_BYTES_MAX:
        raise EventTooLargeError
