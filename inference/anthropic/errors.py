"""How Anthropic's API says what went wrong; our messages stay as they are. Pure."""

from collections.abc import Mapping

import orjson

from kit.errors import PlatformError
from kit.json_values import JsonObject

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def type_of(status: int) -> str:
    """Return Anthropic's name for errors of a status.

    A spent budget is a rate limit there too: `x-should-retry` tells one from the other.
    """
    other = "invalid_request_error" if status < 500 else "api_error"
    return _TYPES.get(status, other)


class AnthropicErrors:
    """The error object of Anthropic's API, and the event of that name."""

    def body(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the error object."""
        return orjson.dumps(_object(error, request_id))

    def last_event(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the error as an event; no `message_stop` follows it."""
        return framed("error", _object(error, request_id))


def framed(name: str, body: JsonObject) -> bytes:
    """Return an event that is named, as all of Anthropic's are."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n"


def _object(error: PlatformError, request_id: str) -> JsonObject:
    return {
        "type": "error",
        "error": {"type": type_of(error.status), "message": error.message},
        "request_id": request_id,
    }


ANTHROPIC_ERRORS = AnthropicErrors()
