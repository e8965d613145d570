"""What an answer's bytes say, read as a client reads them: HTTP/1.1 and its events.

Shares no code with the gateway: it is the other witness of what was delivered. An event
counts once its blank line has come, a whole answer once its last byte has, as for any
client. Failure: bytes that are no HTTP answer, or an event that is not JSON, raise.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import httptools

DONE = b"[DONE]"


@dataclass(slots=True)
class Seen:
    """What of an answer has been seen at one moment."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    bytes_read: int = 0
    # The text of each choice, and how many events carried some.
    texts: dict[int, str] = field(default_factory=dict)
    pieces: int = 0
    # The largest running count of each choice, where the caller asked for it.
    running: dict[int, int] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    finish_reasons: dict[int, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    is_done: bool = False
    # Whether the answer has ended as its framing says it must.
    is_complete: bool = False
    is_within_event: bool = False
    # The fewest bytes that a piece has cost so far, framing left out.
    piece_bytes_min: int = 0

    @property
    def request_id(self) -> str:
        """Return the gateway's id of the request, once the head has come."""
        return self.headers.get("x-request-id", "")

    def copy(self) -> "Seen":
        """Return this as it is now."""
        return replace(
            self,
            headers=dict(self.headers),
            texts=dict(self.texts),
            running=dict(self.running),
            finish_reasons=dict(self.finish_reasons),
        )


class Transcript:
    """Reads one answer, however its bytes are cut; `seen` grows with them."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self.seen.bytes_read += len(data)
        self._parser.feed_data(data)

    @property
    def rest(self) -> bytes:
        """Return what of the body has been read and not understood yet."""
        return self._rest

    # What the parser calls ------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.seen.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status."""
        self.seen.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Read the events that these bytes complete."""
        self._rest += body
        if not self._is_stream:
            return
        *events, self._rest = self._rest.split(b"\n\n")
        for event in events:
            self._event(event)
        self.seen.is_within_event = bool(self._rest)

    def on_message_complete(self) -> None:
        """Note the end, and read what comes as one whole."""
        self.seen.is_complete = True
        if not self._is_stream and self._rest:
            self._chunk(json.loads(self._rest))

    # Inside ---------------------------------------------------------------------------

    @property
    def _is_stream(self) -> bool:
        kind = self.seen.headers.get("content-type", "")
        return kind.startswith("text/event-stream")

    def _event(self, event: bytes) -> None:
        if event.startswith(b":"):
            return
        data = event.removeprefix(b"data: ")
        if data == DONE:
            self.seen.is_done = True
            return
        seen = self.seen
        before = seen.pieces
        self._chunk(json.loads(data))
        if seen.pieces > before:
            least = seen.piece_bytes_min or len(event)
            seen.piece_bytes_min = min(least, len(event))

    def _chunk(self, chunk: dict[str, Any]) -> None:
        seen = self.seen
        if (error := chunk.get("error")) is not None:
            seen.error = error
            return
        if "choices" not in chunk:
            raise ValueError(f"no answer, and no error: {self.seen.status} {chunk}")
        choices, usage = chunk["choices"], chunk.get("usage")
        if usage is not None and (not choices or not self._is_stream):
            seen.usage = usage
        for choice in choices:
            index = choice["index"]
            if text := _text_of(choice):
                seen.texts[index] = seen.texts.get(index, "") + text
                seen.pieces += 1
            if (reason := choice.get("finish_reason")) is not None:
                seen.finish_reasons[index] = reason
            if usage is not None:
                count = max(seen.running.get(index, 0), usage["completion_tokens"])
                seen.running[index] = count


def _text_of(choice: dict[str, Any]) -> str:
    """Return a choice's text: of a chat's delta or message, or of a completion."""
    said = choice.get("delta") or choice.get("message")
    text: str | None = said.get("content") if said else choice.get("text")
    return text or ""
