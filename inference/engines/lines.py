"""Split a stream of lines, at whatever bytes it is cut.

Failure: a line without an end is refused at `EVENT_BYTES_MAX`. Each byte is looked at a
fixed number of times.
"""

from inference.openai.sse import EVENT_BYTES_MAX, EventTooLargeError


class LineSplitter:
    """Collects bytes and gives out whole lines that are not empty."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the lines that they complete, in order."""
        if b"\n" not in data:
            self._keep(data)
            return []
        first, *lines = data.split(b"\n")
        self._keep(first)
        whole = [bytes(self._rest), *lines]
        self._rest.clear()
        self._keep(whole.pop())
        return [line for each in whole if (line := each.strip())]

    def _keep(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EventTooLargeError
