"""HTTP/1.1 bytes: whole responses, and the chunks of a stream. Pure."""

import json

JSON_TYPE = b"application/json"

_REASONS = {
    200: b"200 OK",
    400: b"400 Bad Request",
    401: b"401 Unauthorized",
    404: b"404 Not Found",
    405: b"405 Method Not Allowed",
    413: b"413 Content Too Large",
    500: b"500 Internal Server Error",
    503: b"503 Service Unavailable",
}
_SERVER = b"server: tollgate-simulator\r\n"

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    + _SERVER
    + b"content-type: text/event-stream; charset=utf-8\r\n"
    + b"transfer-encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"


def response(
    body: bytes,
    *,
    status: int = 200,
    content_type: bytes | None = JSON_TYPE,
    allow: bytes | None = None,
) -> bytes:
    """Return a whole response; `allow` is the method that a 405 names."""
    lines = b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n" % (
        _REASONS[status],
        _SERVER,
        len(body),
    )
    if content_type:
        lines += b"content-type: %b\r\n" % content_type
    if allow:
        lines += b"allow: %b\r\n" % allow
    return lines + b"\r\n" + body


def json_response(
    value: object, *, status: int = 200, allow: bytes | None = None
) -> bytes:
    """Return `value` as a whole JSON response.

    By the standard library, because what a client sent may be quoted: it takes lone
    surrogates and integers of any size, which the fast serialiser refuses.
    """
    body = json.dumps(value, separators=(",", ":")).encode()
    return response(body, status=status, allow=allow)


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
