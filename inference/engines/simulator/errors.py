"""Every refusal of the simulator, worded as vLLM words it.

A refusal is raised where it is found and becomes one HTTP response at the connection.
vLLM has three shapes: `{"error": {..., "code": <int>}}` for requests it understood,
`{"error": "Unauthorized"}` for a wrong key, `{"detail": ...}` for a wrong address.
"""

from typing import Any

from inference.engines.simulator import http1
from kit.json_values import is_object


class Refusal(Exception):
    """An answer other than 200: its status, its JSON body, its `Allow` header."""

    def __init__(self, status: int, body: dict[str, Any], allow: bytes | None = None):
        """Keep what the response is made of."""
        super().__init__(body)
        self.status = status
        self.body = body
        self.allow = allow

    def response(self) -> bytes:
        """Return the refusal as a whole HTTP response."""
        return http1.json_response(self.body, status=self.status, allow=self.allow)


def bad_request(message: str, *, param: str | None = None) -> Refusal:
    """Return a 400 about a request that parsed but cannot be served."""
    return _error(400, message, kind="BadRequestError", param=param)


def bad_parameter(message: str, *, param: str, value: object) -> Refusal:
    """Return a 400 whose message ends in the parameter and its value, as vLLM's do."""
    return bad_request(f"{message} (parameter={param}, value={value})", param=param)


def invalid_field(
    kind: str, *, where: str, message: str, value: object, context: str | None = None
) -> Refusal:
    """Return the 400 of a body that does not fit the schema.

    `context` is the parser's own reason, present only where the JSON itself is broken.
    """
    shown = f"'<dict of {len(value)} items>'" if is_object(value) else repr(value)
    ending = f", 'ctx': {{'error': {context!r}}}" if context else ""
    return _error(
        400,
        "1 validation error:\n"
        f"  {{'type': '{kind}', 'loc': '{where}', 'msg': {message!r}, "
        f"'input': {shown}{ending}}}",
        kind="Bad Request",
        param=where,
    )


def bad_cache_salt(message: str) -> Refusal:
    """Return the 400 of a salt that vLLM would not take."""
    return bad_request(f"{message} (parameter=cache_salt)", param="cache_salt")


def unsupported_media_type() -> Refusal:
    """Return the 400 of a body that is not announced as JSON."""
    return _error(
        400,
        "1 validation error:\n"
        "  Unsupported Media Type: Only 'application/json' is allowed",
        kind="Bad Request",
        param=None,
    )


def unknown_model(name: str, *, served: str) -> Refusal:
    """Return the 404 of a model that this process does not serve."""
    return _error(
        404,
        f"The model `{name}` does not exist. Valid aliases: {served}.",
        kind="NotFoundError",
        param="model",
    )


def prompt_too_long(*, prompt_tokens: int, context_tokens: int) -> Refusal:
    """Return the 400 of a prompt that leaves no room for one answered token."""
    limit = f"This model's maximum context length is {context_tokens} tokens. However, "
    if prompt_tokens > context_tokens:
        # vLLM stops counting one past its limit, so the number is always that.
        counted = context_tokens + 1
        message = (
            f"{limit}your prompt contains at least {counted} input tokens, "
            "which exceeds this limit even without any output tokens. "
            "Please reduce the length of the input prompt."
        )
    else:
        counted = prompt_tokens
        message = (
            f"{limit}you requested 1 output tokens and your prompt contains {counted} "
            f"input tokens, for a total of {counted + 1} tokens. "
            "Please reduce the length of the input prompt or the number of requested "
            "output tokens."
        )
    return bad_parameter(message, param="input_tokens", value=counted)


def engine_dead() -> Refusal:
    """Return the 500 of an engine core that is gone; streams send its body."""
    return _error(
        500,
        "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        kind="InternalServerError",
        param=None,
    )


def busy() -> Refusal:
    """Return the 503 of an engine whose waiting line is full."""
    return _error(
        503,
        "The engine is currently busy and cannot accept new requests. "
        "Please try again later or on a different instance.",
        kind="Service Unavailable",
        param=None,
    )


def unavailable() -> Refusal:
    """Return the 503 of a failure that vLLM thinks will pass."""
    return _error(
        503, "Request failed; please retry", kind="ServiceUnavailableError", param=None
    )


def unauthorized() -> Refusal:
    """Return the 401 of a missing or wrong key."""
    return Refusal(401, {"error": "Unauthorized"})


def not_found() -> Refusal:
    """Return the 404 of an address that does not exist."""
    return Refusal(404, {"detail": "Not Found"})


def method_not_allowed(*, allow: str) -> Refusal:
    """Return the 405 of an address that wants the method `allow`."""
    return Refusal(405, {"detail": "Method Not Allowed"}, allow.encode())


def body_too_large() -> Refusal:
    """Return the 413 that protects the simulator's own memory."""
    return Refusal(413, {"detail": "Content Too Large"})


def bad_settings(message: str) -> Refusal:
    """Return the 400 of settings that cannot be followed."""
    return bad_request(message)


def _error(status: int, message: str, *, kind: str, param: str | None) -> Refusal:
    return Refusal(
        status,
        {"error": {"message": message, "type": kind, "param": param, "code": status}},
    )
