"""Read answers that may break off: the bytes, how they ended, what they delivered.

Independent of the simulator's own chunking. Failure: an answer that neither ends nor
goes on fails the test after `PATIENCE_S`.
"""

import json
import socket
from dataclasses import dataclass, field
from typing import Any

from inference.engines.simulator import delivered_tokens
from tests.inference.engines.simulator.running import PATIENCE_S

FIN, RST, OPEN = "fin", "rst", "open"
VERSION_REQUEST = b"GET /version HTTP/1.1\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything that came, and how it ended: FIN, RST, or not at all."""

    received: bytes
    how: str

    @property
    def head(self) -> bytes:
        """The status line and the headers."""
        return self.received.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        """What followed the head."""
        return self.received.partition(b"\r\n\r\n")[2]


@dataclass(slots=True)
class Stream:
    """A chunked stream as far as it came.

    `whole` says that the chunked body ended as it must; `rest` is what came after it.
    """

    payloads: list[bytes] = field(default_factory=list)
    whole: bool = False
    rest: bytes = b""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that are JSON."""
        events = []
        for payload in self.payloads:
            if payload.startswith(b"data: {") and payload.endswith(b"\n\n"):
                try:
                    events.append(json.loads(payload.removeprefix(b"data: ")))
                except ValueError:
                    continue
        return events

    @property
    def done(self) -> bool:
        """Whether `[DONE]` came."""
        return b"data: [DONE]\n\n" in self.payloads

    @property
    def finish_reasons(self) -> list[str]:
        """The finish reasons in their order."""
        return [
            choice["finish_reason"]
            for event in self.events
            for choice in event.get("choices", ())
            if choice["finish_reason"]
        ]

    @property
    def usages(self) -> list[Any]:
        """The usage of every event that has one."""
        return [event["usage"] for event in self.events if "usage" in event]

    def delivered(self, index: int = 0) -> int:
        """Return how many tokens of one choice came."""
        return delivered_tokens(
            "".join(
                choice["delta"].get("content", "")
                if "delta" in choice
                else choice["text"]
                for event in self.events
                for choice in event.get("choices", ())
                if choice["index"] == index
            )
        )


def read_to_its_end(connection: socket.socket) -> Ending:
    """Read until the other side ends the connection."""
    connection.settimeout(PATIENCE_S)
    received = bytearray()
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        return Ending(bytes(received), RST)
    return Ending(bytes(received), FIN)


def read_both(connection: socket.socket) -> Ending:
    """Read an answer that `VERSION_REQUEST` was sent behind: answered, it was kept."""
    ending = read_to_its_end(connection)
    before, mark, after = ending.received.rpartition(b"HTTP/1.1 200 OK\r\n")
    if mark and after.endswith(b'{"version":"0.32.0"}'):
        return Ending(before, OPEN)
    return ending


def read_what_has_come(connection: socket.socket) -> Ending:
    """Read what lies in the socket, and see that it is still open."""
    connection.setblocking(False)
    received = bytearray()
    try:
        while data := connection.recv(65536):
            received += data
    except BlockingIOError:
        return Ending(bytes(received), OPEN)
    return Ending(bytes(received), FIN)


def stream_of(ending: Ending) -> Stream:
    """Return the chunks of a streamed answer; the last may be cut."""
    stream = Stream()
    data = ending.body
    while data and not stream.whole:
        size, line, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not line or len(rest) < length + 2:
            break
        assert rest[length : length + 2] == b"\r\n"
        if length:
            stream.payloads.append(rest[:length])
        else:
            stream.whole = True
        data = rest[length + 2 :]
    stream.rest = data
    return stream
