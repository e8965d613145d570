"""Read what Converse answers: a whole message, or the frames of one.

Failure: what is no answer is a `StreamFormatError`; an exception that comes as a frame
becomes an error in the OpenAI API's form.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from inference.engines.aws_errors import stream_fault
from inference.engines.aws_stream import Frame, FrameSplitter
from inference.engines.backend import Envelope
from inference.engines.chunks import (
    DONE,
    ChunkWriter,
    Message,
    Used,
    chat_answer,
    fault,
    tool_call,
)
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from kit.json_values import JsonObject, is_array, is_object

_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


class BedrockReader:
    """Turns one answer's frames into chunks."""

    def __init__(self, envelope: Envelope) -> None:
        self._frames = FrameSplitter()
        self._writer = ChunkWriter(envelope, Task.CHAT)
        # Which call of a tool a block of the message is.
        self._calls: dict[int, int] = {}
        self._read: Mapping[str, Callable[[JsonObject], list[bytes]]] = {
            "messageStart": lambda _: [self._writer.delta(content="")],
            "contentBlockStart": self._start,
            "contentBlockDelta": self._delta,
            "messageStop": self._stop,
            "metadata": self._metadata,
        }

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the chunks of the frames they complete."""
        return [
            event for frame in self._frames.feed(data) for event in self._events(frame)
        ]

    def _events(self, frame: Frame) -> list[bytes]:
        if frame.is_exception:
            return [fault(*stream_fault(frame.name, frame.payload))]
        read = self._read.get(frame.name)
        # The end of a block says nothing; what is new here is not read.
        return [] if read is None else read(_object_of(frame.payload))

    def _start(self, said: JsonObject) -> list[bytes]:
        start = said.get("start")
        use = start.get("toolUse") if is_object(start) else None
        if not is_object(use):
            return []
        index = len(self._calls)
        self._calls[_block_of(said)] = index
        call = tool_call(_text(use, "toolUseId"), _text(use, "name"), "")
        return [self._writer.delta(tool_calls=[{"index": index, **call}])]

    def _delta(self, said: JsonObject) -> list[bytes]:
        delta = said.get("delta")
        if not is_object(delta):
            raise StreamFormatError("a part that is none")
        if "text" in delta:
            return [self._writer.delta(content=_text(delta, "text"))]
        if is_object(use := delta.get("toolUse")):
            index = self._calls.get(_block_of(said))
            if index is None:
                raise StreamFormatError("a part of a call that did not begin")
            part = {"index": index, "function": {"arguments": _text(use, "input")}}
            return [self._writer.delta(tool_calls=[part])]
        thought = delta.get("reasoningContent")
        if is_object(thought) and "text" in thought:
            return [self._writer.delta(reasoning=_text(thought, "text"))]
        return []

    def _stop(self, said: JsonObject) -> list[bytes]:
        return [self._writer.finish(_reason_of(said))]

    def _metadata(self, said: JsonObject) -> list[bytes]:
        used = _used_of(said)
        return [DONE] if used is None else [self._writer.usage(used), DONE]


def answer_of(body: bytes, envelope: Envelope) -> bytes:
    """Return a whole answer of Converse as a chat."""
    said = _object_of(body)
    output = said.get("output")
    message = output.get("message") if is_object(output) else None
    blocks = message.get("content") if is_object(message) else None
    if not is_array(blocks):
        raise StreamFormatError("an answer without a message")
    collected = Message()
    for block in blocks:
        if not is_object(block):
            raise StreamFormatError("a block that is none")
        _collect(block, collected)
    return chat_answer(
        envelope, collected, reason=_reason_of(said), used=_used_of(said)
    )


def _collect(block: JsonObject, message: Message) -> None:
    thought, use = block.get("reasoningContent"), block.get("toolUse")
    if "text" in block:
        message.text += _text(block, "text")
    elif is_object(use):
        call = tool_call(
            _text(use, "toolUseId"), _text(use, "name"), use.get("input") or {}
        )
        message.tool_calls.append(call)
    elif is_object(thought) and is_object(text := thought.get("reasoningText")):
        message.reasoning += _text(text, "text")


def _used_of(said: JsonObject) -> Used | None:
    """Return what was used: the prompt's tokens are those of three counts."""
    usage = said.get("usage")
    if not is_object(usage):
        return None
    cached = _count(usage, "cacheReadInputTokens")
    written = _count(usage, "cacheWriteInputTokens")
    if "inputTokens" not in usage or "outputTokens" not in usage:
        raise StreamFormatError("usage without its counts")
    return Used(
        prompt=_count(usage, "inputTokens") + cached + written,
        output=_count(usage, "outputTokens"),
        cached=cached,
    )


def _count(usage: Mapping[str, Any], name: str) -> int:
    count = usage.get(name)
    if count is None:
        return 0
    if type(count) is not int or count < 0:
        raise StreamFormatError("usage that is not a number of tokens")
    return count


def _reason_of(said: JsonObject) -> str:
    reason = said.get("stopReason")
    if not isinstance(reason, str) or reason not in _REASONS:
        raise StreamFormatError("an answer that came to no end")
    return _REASONS[reason]


def _block_of(said: JsonObject) -> int:
    index = said.get("contentBlockIndex", 0)
    if type(index) is not int:
        raise StreamFormatError("a block without a number")
    return index


def _text(values: Mapping[str, Any], name: str) -> str:
    text = values.get(name)
    if not isinstance(text, str):
        raise StreamFormatError(f"{name} that is no text")
    return text


def _object_of(body: bytes) -> JsonObject:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("a frame that is not JSON") from error
    if not is_object(said):
        raise StreamFormatError("a frame that is not an object")
    return said
