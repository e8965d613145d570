"""Errors on the wire: ours as the SDKs expect them, an engine's in our words."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from kit.errors import (
    ContextLengthExceeded,
    EngineFailed,
    EngineOverloaded,
    InvalidRequest,
    PlatformError,
)
from kit.json_values import is_object

_MESSAGE_CHARS_MAX = 1000
# How engines say that a prompt is too long for their model.
_OVERFLOW_TYPE = "exceed_context_size_error"
_OVERFLOWS = (
    "context length",
    "context size",
    "context window",
    "`max_new_tokens` must be <=",
    "`inputs` must have less than",
    "prompt is too long",
    "Input is too long",
    "input token count",
)
_REFUSED = "The engine refused the request."
# What an engine's message may tell of where and how it runs.
_INSIDE = re.compile(
    r"https?://|\b\d{1,3}(?:\.\d{1,3}){3}\b|localhost|Traceback|[Aa]liases|\barn:"
    r"|\.(?:svc|internal|local)\b"
    r"|(?:^|[\s'\"(])/(?:app|data|etc|home|mnt|models|opt|root|srv|tmp|usr|var|workspace)/"
)
_OVERLOAD_RETRY = {"retry-after": "1"}


def body_of(error: PlatformError) -> bytes:
    """Return the JSON body of an error."""
    return orjson.dumps(error.body())


def event_of(error: PlatformError) -> bytes:
    """Return an error as a stream's last event; no end mark follows it."""
    return b"data: " + body_of(error) + b"\n\n"


def from_engine(status: int, body: bytes) -> PlatformError:
    """Say in our words what an engine's error response means for the caller.

    What the caller did wrong keeps the engine's message; what is wrong between us and
    the engine (its address, its key, its model's name) is not the caller's to read.
    """
    said, kind, param = _read(body)
    message = _REFUSED if _INSIDE.search(said) else said
    if status in {400, 413, 422}:
        if kind == _OVERFLOW_TYPE or _is_context_overflow(said, param):
            return ContextLengthExceeded(message, param="messages")
        return InvalidRequest(
            message, param=param, code=kind if kind == "invalid_value" else None
        )
    if status in {429, 503}:
        return EngineOverloaded(
            "The model is overloaded. Try again shortly.", headers=_OVERLOAD_RETRY
        )
    return EngineFailed("The engine failed to answer. Try again.")


def from_stream(error: Mapping[str, Any]) -> PlatformError:
    """Say in our words what an error event in an engine's stream means."""
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 500:
        return from_engine(code, orjson.dumps({"error": dict(error)}))
    return EngineFailed("The engine failed while it was answering.")


def rename_model(error: PlatformError, engine: str, public: str) -> None:
    """Let an error's message call the model as its caller does."""
    name = rf"(?<![\w./-]){re.escape(engine)}(?![\w/-]|:\w)"
    error.message = re.sub(name, lambda _: public, error.message)


def _read(body: bytes) -> tuple[str, str | None, str | None]:
    """Find message, type and parameter in the several shapes that engines use."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    error: object = parsed.get("error", parsed) if is_object(parsed) else parsed
    if isinstance(error, str):
        return error[:_MESSAGE_CHARS_MAX], None, None
    if not is_object(error):
        return _REFUSED, None, None
    message = error.get("message") or error.get("detail")
    param, kind = error.get("param"), error.get("type")
    return (
        message[:_MESSAGE_CHARS_MAX] if isinstance(message, str) else _REFUSED,
        kind if isinstance(kind, str) else None,
        param[:100] if isinstance(param, str) else None,
    )


def _is_context_overflow(message: str, param: str | None) -> bool:
    return param in {"input_tokens", "input_text"} or any(
        words in message for words in _OVERFLOWS
    )
