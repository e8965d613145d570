"""Stream an answer that is there already: the chunks that an engine would have sent.

All choices come in one chunk and finish in another, so that one count of tokens covers
them, as an engine's does. The reverse of `reassembly`: put together again, the chunks
are the answer. Pure.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from inference.openai.shapes import END
from kit.json_values import JsonObject, is_object

_ENDS = ("finish_reason", "stop_reason")
_COMPLETION = "text_completion"


def stream_of(answer: Mapping[str, Any]) -> bytes:
    """Return a whole answer of a chat or a completion as the events of its stream."""
    is_chat = answer.get("object") != _COMPLETION
    frame = {
        name: value
        for name, value in answer.items()
        if name not in ("choices", "usage")
    }
    if is_chat:
        frame["object"] = "chat.completion.chunk"
    usage, choices = answer["usage"], answer["choices"]
    said = [_said(choice, is_chat=is_chat) for choice in choices]
    ended = [_ended(choice, is_chat=is_chat) for choice in choices]
    chunks: tuple[JsonObject, ...] = (
        {**frame, "choices": said, "usage": usage},
        {**frame, "choices": ended},
        {**frame, "choices": [], "usage": usage},
    )
    events = (b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    return b"".join(events) + END


def _said(choice: Mapping[str, Any], *, is_chat: bool) -> JsonObject:
    said = {
        name: value
        for name, value in choice.items()
        if name != "message" and name not in _ENDS
    }
    if is_chat:
        said["delta"] = _delta(choice.get("message"))
    return {**said, "finish_reason": None}


def _delta(message: Any) -> JsonObject:
    if not is_object(message):
        return {}
    delta = {name: value for name, value in message.items() if value is not None}
    calls = delta.get("tool_calls")
    if calls:
        delta["tool_calls"] = [
            {"index": index, **call} for index, call in enumerate(calls)
        ]
    return delta


def _ended(choice: Mapping[str, Any], *, is_chat: bool) -> JsonObject:
    nothing: JsonObject = {"delta": {}} if is_chat else {"text": ""}
    ends = {name: choice[name] for name in _ENDS if name in choice}
    return {"index": choice.get("index", 0), **nothing, "logprobs": None, **ends}
