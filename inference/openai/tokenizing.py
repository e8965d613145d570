"""Read a request to be told how long a prompt is: a text, or a chat with its tools.

Only what is part of the prompt is taken: an engine's other options say how it tells, or
exchange its template. Failure: `InvalidRequest` with field and remedy. Pure.
"""

from inference.openai.requests import (
    GenerationRequest,
    allowed_of,
    chat_request,
    completion_request,
    model_of,
    object_of,
)
from kit.contracts import Surface
from kit.errors import InvalidRequest

_FIELDS = frozenset({"chat_template_kwargs", "messages", "model", "prompt", "tools"})


def tokenize_request(body: bytes) -> GenerationRequest:
    """Read the body of `/v1/tokenize` as what would be asked with this prompt."""
    payload = allowed_of(object_of(body), _FIELDS)
    model_of(payload)
    if "prompt" not in payload:
        return chat_request(payload, surface=Surface.CHAT_COMPLETIONS)
    if payload.keys() != {"model", "prompt"} or not isinstance(payload["prompt"], str):
        raise InvalidRequest(
            "Give a text in 'prompt', or a chat in 'messages', and not both.",
            param="prompt",
        )
    return completion_request(payload)
