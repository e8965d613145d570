"""Read the answers of Anthropic's Messages API as those of a chat.

Its blocks come one after another: text, thinking, and calls of tools, whose number
among the calls is what a chat names them by. It tells the length of the prompt first
and of the answer last, so that what comes in between is covered by no usage until then.
What was thought comes signed; the signature goes with it as `thinking_blocks`.

Failure: `StreamFormatError` for what is no answer; an error of the engine's own is an
event with its words and the status that stands for it. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

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
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from inference.openai.usage import UsageError, reported_tokens
from kit.json_values import JsonObject, is_array, is_object

_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# What came in a stream has no status of its own. What is overloaded is so for now.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 429,
}
# What says nothing but that it came.
_MARKS: Mapping[str, bytes] = {"message_stop": DONE, "ping": b": ping"}
_PROMPT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicReader:
    """Reads one streamed answer, at whatever bytes it is cut."""

    def __init__(self, envelope: Envelope) -> None:
        self._splitter = EventSplitter()
        self._events = MessageEvents(envelope)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the chat's events that they complete."""
        out: list[bytes] = []
        for event in self._splitter.feed(data):
            if event.startswith(b":"):
                out.append(event)
                continue
            try:
                out += self._events.read(event)
            except (StreamFormatError, UsageError) as error:
                # What came before it is not lost with it.
                out.append(fault(str(error)))
        return out


@dataclass(slots=True)
class MessageEvents:
    """Reads the events of one answer, however they were framed."""

    envelope: Envelope
    _writer: ChunkWriter = field(init=False)
    _usage: dict[str, Any] = field(default_factory=dict[str, Any])
    # Of the block that is open: what it is, what was thought, what a call was given.
    _block: JsonObject = field(default_factory=dict[str, Any])
    _thought: list[str] = field(default_factory=list[str])
    _has_input: bool = False
    _calls: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing said."""
        self._writer = ChunkWriter(self.envelope, Task.CHAT)

    def read(self, event: bytes) -> list[bytes]:
        """Return the chat's events that one of the answer's makes.

        Of kinds that are not known here there is nothing to say: new ones may come.
        """
        body = _object_of(event)
        match body.get("type"):
            case "message_start":
                self._take_usage(_part(body, "message").get("usage"))
                used = used_of({**self._usage, "output_tokens": 0})
                return [self._writer.begin(used)]
            case "content_block_start":
                return self._start(_part(body, "content_block"))
            case "content_block_delta":
                return self._add(_part(body, "delta"))
            case "content_block_stop":
                return self._stop()
            case "message_delta":
                self._take_usage(body.get("usage"))
                return self._finish(_part(body, "delta"))
            case "error":
                return [_fault(_part(body, "error"))]
            case kind:
                mark = _MARKS.get(kind) if isinstance(kind, str) else None
                return [] if mark is None else [mark]

    def _start(self, block: JsonObject) -> list[bytes]:
        self._block, self._has_input = block, False
        self._thought.clear()
        match block.get("type"):
            case "tool_use":
                call = {
                    "index": self._calls,
                    **tool_call(str(block.get("id")), str(block.get("name")), ""),
                }
                self._calls += 1
                return [self._writer.delta(tool_calls=[call])]
            case "text" if text := block.get("text"):
                return [self._writer.delta(content=text)]
            case "redacted_thinking":
                redacted = {"type": "redacted_thinking", "data": block.get("data")}
                return [self._writer.delta(thinking_blocks=[redacted])]
            case _:
                return []

    def _add(self, delta: JsonObject) -> list[bytes]:
        match delta.get("type"):
            case "text_delta" if text := _text(delta, "text"):
                return [self._writer.delta(content=text)]
            case "thinking_delta" if text := _text(delta, "thinking"):
                self._thought.append(text)
                return [self._writer.delta(reasoning=text)]
            case "signature_delta" if signature := _text(delta, "signature"):
                signed = {
                    "type": "thinking",
                    "thinking": "".join(self._thought),
                    "signature": signature,
                }
                return [self._writer.delta(thinking_blocks=[signed])]
            case "input_json_delta" if text := _text(delta, "partial_json"):
                return [self._arguments(text)]
            case _:
                return []

    def _stop(self) -> list[bytes]:
        """End a block; a call that was given nothing piece by piece was given all."""
        block, self._block = self._block, {}
        if block.get("type") != "tool_use" or self._has_input:
            return []
        given = block.get("input")
        return [self._arguments(_written(given))]

    def _arguments(self, text: str) -> bytes:
        self._has_input = True
        call = {"index": self._calls - 1, "function": {"arguments": text}}
        return self._writer.delta(tool_calls=[call])

    def _finish(self, delta: JsonObject) -> list[bytes]:
        reason = delta.get("stop_reason")
        if reason is None:
            return []
        finish = self._writer.finish(
            _REASONS.get(str(reason), "stop"), stopped_at=delta.get("stop_sequence")
        )
        return [finish, self._writer.usage(used_of(self._usage))]

    def _take_usage(self, usage: object) -> None:
        """Take in counts, each the sum so far; one that is null says nothing."""
        if is_object(usage):
            self._usage |= {
                name: value for name, value in usage.items() if value is not None
            }


def read_message(body: bytes, envelope: Envelope) -> bytes:
    """Return a whole answer as a chat's."""
    answer = _object_of(body)
    if answer.get("type") == "error":
        return _fault(_part(answer, "error"))
    blocks, usage = answer.get("content"), answer.get("usage")
    if not is_array(blocks):
        raise StreamFormatError("an answer without content")
    message = Message()
    for block in blocks:
        if is_object(block):
            _put(block, message)
    return chat_answer(
        envelope,
        message,
        reason=_REASONS.get(str(answer.get("stop_reason")), "stop"),
        used=used_of(usage) if is_object(usage) else None,
        stopped_at=answer.get("stop_sequence"),
    )


def used_of(usage: Mapping[str, Any]) -> Used:
    """Return what was used: the prompt there is told in three parts."""
    details = usage.get("output_tokens_details")
    return Used(
        prompt=sum(reported_tokens(usage, name) for name in _PROMPT),
        output=reported_tokens(usage, "output_tokens"),
        cached=reported_tokens(usage, "cache_read_input_tokens"),
        reasoning=reported_tokens(details, "thinking_tokens")
        if is_object(details)
        else 0,
    )


def _put(block: JsonObject, message: Message) -> None:
    """Put a block of a whole answer where a chat's message has it."""
    match block.get("type"):
        case "text":
            message.text += _text(block, "text")
        case "thinking":
            message.reasoning += _text(block, "thinking")
            if block.get("signature"):
                message.thinking_blocks.append(block)
        case "redacted_thinking":
            message.thinking_blocks.append(block)
        case "tool_use":
            message.tool_calls.append(
                tool_call(
                    str(block.get("id")),
                    str(block.get("name")),
                    _written(block.get("input")),
                )
            )
        case _:
            pass


def _fault(error: JsonObject) -> bytes:
    kind = error.get("type")
    code = _STATUSES.get(kind, 500) if isinstance(kind, str) else 500
    return fault(_text(error, "message"), code)


def _written(given: object) -> str:
    return orjson.dumps(given if is_object(given) else {}).decode()


def _object_of(data: bytes) -> JsonObject:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an event that is not JSON") from error
    if not is_object(body):
        raise StreamFormatError("an event that is not an object")
    return body


def _part(body: JsonObject, name: str) -> JsonObject:
    part = body.get(name)
    if not is_object(part):
        raise StreamFormatError(f"an event without {name}")
    return part


def _text(values: JsonObject, name: str) -> str:
    text = values.get(name)
    return text if isinstance(text, str) else ""
