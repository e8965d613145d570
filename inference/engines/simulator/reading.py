"""Read requests from a connection's bytes: a thin layer over the HTTP parser.

Owns: the request that is arriving. Failure: a body over `BODY_BYTES_MAX` is a
`Refusal`, and what is no HTTP raises the parser's own error.
"""

from collections.abc import Callable
from dataclasses import dataclass

import httptools

from inference.engines.simulator import errors

BODY_BYTES_MAX = 64 * 1024 * 1024

_HEADERS_READ = frozenset(
    (b"authorization", b"content-type", b"expect", b"x-request-id")
)


@dataclass(slots=True)
class Request:
    """One request as read: only the headers that mean something here are kept."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool


class RequestReader:
    """Gather requests, and hand each to `received` when its body is whole.

    `invite` is called for a client that waits to be asked for its body.
    """

    def __init__(
        self, *, received: Callable[[Request], None], invite: Callable[[], None]
    ) -> None:
        """Start before the first request."""
        self._parser = httptools.HttpRequestParser(self)
        self._received = received
        self._invite = invite
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_size = 0

    def feed(self, data: bytes) -> None:
        """Read on; raises `Refusal` and `httptools.HttpParserError`."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # HTTP/1.1 is what we speak; an upgrade that is not answered is declined.
            return
        except httptools.HttpParserCallbackError as raised:
            # The parser wraps what our own callbacks raise: only a refusal is expected.
            refusal = raised.__context__
            if not isinstance(refusal, errors.Refusal):
                raise
            raise refusal from None

    # The parser's side.

    def on_message_begin(self) -> None:
        """Start a request."""
        self._url = b""
        self._headers = {}
        self._body = []
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        """Gather the address; it may come in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few headers that mean something."""
        name = name.lower()
        if name in _HEADERS_READ:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Invite the body of a client that waits for it."""
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._invite()

    def on_body(self, body: bytes) -> None:
        """Gather the body, within bounds."""
        self._body_size += len(body)
        if self._body_size > BODY_BYTES_MAX:
            raise errors.body_too_large()
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand over the request."""
        self._received(
            Request(
                self._parser.get_method(),
                self._url.partition(b"?")[0],
                self._headers,
                b"".join(self._body),
                self._parser.should_keep_alive(),
            )
        )
