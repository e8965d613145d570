"""Say what went wrong with a response, in the names that its caller used.

Behind the surface a response is a chat, and what checks a chat, or an engine, names the
chat's fields. Failure: none of its own. Pure.
"""

import copy
import re
from collections.abc import Mapping
from typing import TypeVar

from inference.openai.errors import body_of
from inference.openai.responses.framing import framed
from kit.errors import InvalidRequest, PlatformError, RateLimited
from kit.json_values import JsonObject

Error = TypeVar("Error", bound=PlatformError)

_NAMES: Mapping[str, str] = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
}
# Whatever else it was, the request is not to blame for it.
_CODES: Mapping[int, str] = {
    InvalidRequest.status: "invalid_prompt",
    RateLimited.status: "rate_limit_exceeded",
}
_QUOTED = re.compile(rf"'({'|'.join(_NAMES)})(?:\[\d+\][\w.\[\]]*)?'")


class ResponsesErrors:
    """How `/v1/responses` says what went wrong."""

    def body(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the error object of the OpenAI API."""
        return body_of(named_as_here(error))

    def last_event(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the error as the only event of a stream."""
        return framed(error_event(error), number=0)


def error_event(error: PlatformError) -> JsonObject:
    """Return the event `error`.

    What it says stands on its top level, where the Responses API has it, and in an
    error object besides: the SDKs raise for the latter, whatever the event's name is.
    """
    said = named_as_here(error).body()["error"]
    return {
        "type": "error",
        "code": said["code"],
        "message": said["message"],
        "param": said["param"],
        "error": said,
    }


def failure_of(error: PlatformError) -> JsonObject:
    """Return the `error` of a response that failed; its codes are a closed list."""
    code = _CODES.get(error.status, "server_error")
    return {"code": code, "message": named_as_here(error).message}


def named_as_here(error: Error) -> Error:
    """Return an error that names the caller's fields instead of a chat's."""
    renamed = copy.copy(error)
    renamed.message = _QUOTED.sub(lambda at: f"'{_NAMES[at[1]]}'", error.message)
    if error.param is not None:
        name = re.split(r"[.\[]", error.param, maxsplit=1)[0]
        renamed.param = _NAMES.get(name, error.param)
    return renamed


RESPONSES_ERRORS = ResponsesErrors()
