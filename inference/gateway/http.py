"""One HTTP request of the gateway: its body within limits, its answer started once."""

import uuid
from collections.abc import Mapping

from inference.gateway.connection import Downstream, Headers
from inference.openai.shapes import OPENAI_ERRORS, ErrorForm
from kit.contracts import Caller
from kit.errors import (
    InvalidRequest,
    PayloadTooLarge,
    PlatformError,
    UnsupportedEncoding,
)

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
_ID_HEADERS = ("x-request-id",)
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class HttpRequest:
    """A request and the one answer to it."""

    __slots__ = (
        "_by_name",
        "_more_headers",
        "_request_id",
        "caller",
        "downstream",
        "error_form",
        "headers",
        "id_headers",
        "is_event_stream",
        "is_metered",
        "is_started",
        "method",
        "model",
        "path",
        "status",
    )

    def __init__(self, downstream: Downstream) -> None:
        self.downstream = downstream
        head = downstream.head
        self.method = head.method
        self.path = head.path
        # As they came, their names in lower case.
        self.headers = head.headers
        self._by_name = dict(head.headers)
        # How the surface that was asked says what goes wrong.
        self.error_form: ErrorForm = OPENAI_ERRORS
        # Under which names it is told its id.
        self.id_headers: tuple[str, ...] = _ID_HEADERS
        self._request_id = ""
        self._more_headers: dict[str, str] = {}
        self.is_started = False
        self.is_event_stream = False
        self.status = 0
        # Whose request it is, of which served model, once that is known; and whether it
        # has an event, by which its tenant sees it.
        self.caller: Caller | None = None
        self.model = ""
        self.is_metered = False

    @property
    def request_id(self) -> str:
        """Return the id of the admission, or one of its own where there is none."""
        if not self._request_id:
            self._request_id = str(uuid.uuid4())
        return self._request_id

    @request_id.setter
    def request_id(self, request_id: str) -> None:
        self._request_id = request_id

    def has_header(self, name: bytes) -> bool:
        """Tell whether a header was sent, be it empty."""
        return name in self._by_name

    def header(self, name: bytes) -> str:
        """Return a header's value, or nothing; raises if it was sent twice."""
        value = self._by_name.get(name)
        if value is None:
            return ""
        # Mostly none is repeated, and nothing is to be counted.
        if len(self._by_name) < len(self.headers) and self._times_sent(name) > 1:
            raise InvalidRequest(f"The header {name.decode()} was sent more than once.")
        return value.decode("latin-1")

    def _times_sent(self, name: bytes) -> int:
        return sum(key == name for key, _ in self.headers)

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """Send these with the answer, whatever it will be; the last of a name holds."""
        self._more_headers.update(headers)

    async def body(self, *, bytes_max: int) -> bytes:
        """Read the whole body; the bytes are counted, whatever the headers say."""
        if self.downstream.asks_to_upgrade and self._announces_a_body():
            raise InvalidRequest("Send this without asking for another protocol.")
        if self.header(b"content-encoding").strip().lower() not in {"", "identity"}:
            # It would be unpacked before anybody knows its size.
            raise UnsupportedEncoding(
                "Send the body as it is, without 'Content-Encoding'.",
                headers={"accept-encoding": "identity"},
            )
        body: bytes | None = None
        # A length that is announced is believed where it is too much: nothing is read.
        if _length(self.header(b"content-length")) <= bytes_max:
            body = await self.downstream.body(bytes_max=bytes_max)
        if body is None:
            raise PayloadTooLarge(f"The body is larger than {bytes_max:,} bytes.")
        return body

    def _announces_a_body(self) -> bool:
        lengths = {b"content-length", b"transfer-encoding"}
        return any(name in lengths and value != b"0" for name, value in self.headers)

    async def respond(
        self, status: int, body: bytes, headers: Headers = (JSON,)
    ) -> None:
        """Send a whole answer."""
        if self.downstream.is_behind:
            await self.downstream.caught_up()
        self._begin(status, [*headers, (b"content-length", b"%d" % len(body))])
        self.downstream.write(body, last=True)

    async def start(self, status: int, headers: Headers) -> None:
        """Write the status line and the headers, which leave with what comes next."""
        if self.downstream.is_behind:
            await self.downstream.caught_up()
        self._begin(status, headers)

    def _begin(self, status: int, headers: Headers) -> None:
        self.is_started = True
        self.status = status
        for name in self.id_headers:
            self._more_headers[name] = self.request_id
        self.downstream.begin(status, headers, self._more_headers)

    async def start_stream(self) -> None:
        """Start an answer of server-sent events."""
        await self.start(200, _STREAM_HEADERS)
        # Not before: who is told that it waits may be answered otherwise meanwhile.
        self.is_event_stream = True

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send a part of the body."""
        if self.downstream.is_behind:
            await self.downstream.caught_up()
        self.downstream.write(data, last=last)

    def gone(self) -> None:
        """Drop a connection whose client has left."""
        self.downstream.abort()

    async def fail(self, error: PlatformError) -> None:
        """Answer with an error, or end what has begun so that it cannot seem whole.

        A stream ends with the error as its last event and no end mark; any other answer
        is cut off.
        """
        if self.is_event_stream:
            last = self.error_form.last_event(error, request_id=self.request_id)
            await self.write(last, last=True)
            return
        if self.is_started:
            self.gone()
            return
        self.add_headers(error.headers)
        body = self.error_form.body(error, request_id=self.request_id)
        await self.respond(error.status, body)


def _length(announced: str) -> int:
    """Return the length that a head announces; 0 where it says none that is one."""
    is_number = announced.isascii() and announced.isdigit() and len(announced) < 20
    return int(announced) if is_number else 0
