"""A prompt as bytes, in the order in which engines' templates read it.

Two prompts share as much of their beginning here as they do for an engine, or nearly:
what no template could tell from text is not written as one would, only at its place.
What is appended to a chat is appended here, so nothing goes around the whole. Pure.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from kit.json_values import is_array, is_object

# Templates write these before any message.
_FIRST = ("chat_template_kwargs", "reasoning_effort", "tools")
# Control characters, which a text hardly has, part what stands side by side.
_MESSAGE = "\x1e"
_FIELD = "\x1f"
_PART = "\x1d"
_FIRST_USER = b"\x1euser\x1f"
# Of a medium within the request, as much from both ends tells it from any other.
_MEDIUM_CHARACTERS = 4096
# A text that is no chat is known by its beginning, for it may grow anywhere after that.
_OPENING_BYTES = 1024


class Opening(NamedTuple):
    """What of a prompt stays the same as its conversation grows, in bytes.

    Of a chat, all up to the end of its first message from a user: that message is its
    own, and what stands before it, `shared` bytes, may begin others as well.
    """

    shared: int
    size: int


def prompt_text(request: GenerationRequest) -> bytes:
    """Return what engines compute of a request; empty where nothing is continued."""
    if request.task is Task.CHAT:
        return "".join(_chat_pieces(request.payload)).encode()
    if request.task is Task.COMPLETION:
        return _completion(request.payload["prompt"])
    return b""


def opening_of(prompt: bytes) -> Opening:
    """Find where a prompt's opening ends, and what of it others may share."""
    start = prompt.find(_FIRST_USER)
    if start < 0:
        size = min(len(prompt), _OPENING_BYTES)
        return Opening(size, size)
    end = prompt.find(_MESSAGE.encode(), start + 1)
    return Opening(start, len(prompt) if end < 0 else end)


def _chat_pieces(payload: Mapping[str, Any]) -> Iterator[str]:
    for name in _FIRST:
        if name in payload:
            yield _json(payload[name])
    for message in payload["messages"]:
        content = message.get("content")
        yield f"{_MESSAGE}{message['role']}{_FIELD}"
        if isinstance(content, str):
            yield content
        elif content is not None:
            yield from _part_pieces(content)
        # Nearly all have nothing else, and there may be thousands.
        if len(message) > 2:
            rest = {
                name: value
                for name, value in message.items()
                if name not in ("role", "content") and value is not None
            }
            if rest:
                yield _FIELD + _json(rest)


def _part_pieces(content: Any) -> Iterator[str]:
    """Write the parts of a content; one that is text as if it stood alone."""
    for number, part in enumerate(content if is_array(content) else ()):
        if number:
            yield _PART
        text = part.get("text") if is_object(part) else None
        yield text if isinstance(text, str) else _medium(part)


def _medium(part: Any) -> str:
    """Write a part that is no text: what is longer than an address by a digest."""
    text = _json(part)
    if len(text) <= 2 * _MEDIUM_CHARACTERS:
        return text
    ends = text[:_MEDIUM_CHARACTERS] + text[-_MEDIUM_CHARACTERS:]
    return f"{len(text)}:{blake2b(ends.encode(), digest_size=16).hexdigest()}"


def _completion(prompt: Any) -> bytes:
    if isinstance(prompt, str):
        return prompt.encode()
    if type(prompt[0]) is int:
        return orjson.dumps(prompt)[1:-1]
    return _MESSAGE.encode().join(map(_completion, prompt))


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
