"""Write what an engine of another form says as the OpenAI API would have said it.

Inside the gateway every answer is chunks of a chat or of a completion. A dialect that
has others reads its engine's bytes and says here what it found. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from inference.engines.backend import Envelope
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from kit.json_values import JsonObject

DONE = b"[DONE]"
_HEX_OF_MS = 12


@dataclass(frozen=True, slots=True)
class Used:
    """The tokens that an engine says it used; the prompt's include what was cached."""

    prompt: int
    output: int
    cached: int = 0
    reasoning: int = 0

    @property
    def json(self) -> JsonObject:
        """Return the API's usage object."""
        usage: JsonObject = {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.output,
            "total_tokens": self.prompt + self.output,
        }
        if self.cached:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached}
        if self.reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.reasoning}
        return usage


@dataclass(slots=True)
class ChunkWriter:
    """Writes the events of one stream, which is of one choice."""

    envelope: Envelope
    task: Task
    _frame: JsonObject = field(init=False)
    _begun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Say once what all chunks have in common."""
        kind = "chat.completion.chunk" if self.task is Task.CHAT else "text_completion"
        self._frame = _frame(self.envelope, self.task, kind)

    def begin(self, used: Used) -> bytes:
        """Return the first part of a chat's message, with what was used so far."""
        self._begun = True
        delta = {"role": "assistant", "content": ""}
        return self._choice({"delta": delta, "finish_reason": None}, usage=used.json)

    def delta(self, **delta: Any) -> bytes:
        """Return a part of a chat's message; the first one names its role."""
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", **delta}
        return self._choice({"delta": delta, "finish_reason": None})

    def text(self, text: str) -> bytes:
        """Return a part of the answer's text, in the form of its task."""
        if self.task is Task.CHAT:
            return self.delta(content=text)
        return self._choice({"text": text, "finish_reason": None})

    def finish(self, reason: str, *, stopped_at: object = None) -> bytes:
        """Return the end of the choice, and the text of the client's that made it."""
        part: JsonObject = {"delta": {}} if self.task is Task.CHAT else {"text": ""}
        if stopped_at is not None:
            part["stop_reason"] = stopped_at
        return self._choice({**part, "finish_reason": reason})

    def usage(self, used: Used) -> bytes:
        """Return the final usage."""
        return orjson.dumps({**self._frame, "choices": [], "usage": used.json})

    def _choice(self, choice: JsonObject, **more: object) -> bytes:
        choice = {"index": 0, "logprobs": None, **choice}
        return orjson.dumps({**self._frame, "choices": [choice], **more})


def fault(message: str, code: int = 500) -> bytes:
    """Return an error that came within a stream, or in place of an answer."""
    return orjson.dumps({"error": {"message": message, "code": code}})


def tool_call(call_id: str, name: str, arguments: object) -> JsonObject:
    """Return a call of a tool; arguments that are no text are written as JSON."""
    try:
        text = (
            arguments
            if isinstance(arguments, str)
            else orjson.dumps(arguments).decode()
        )
    except orjson.JSONEncodeError as error:
        raise StreamFormatError("arguments that nest too deep") from error
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": text},
    }


@dataclass(slots=True)
class Message:
    """The message of a whole chat, as its parts are found."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[JsonObject] = field(default_factory=list[JsonObject])
    # Reasoning as the engine signed it, to be shown to it again.
    thinking_blocks: list[JsonObject] = field(default_factory=list[JsonObject])

    @property
    def json(self) -> JsonObject:
        """Return the API's message."""
        message: JsonObject = {"role": "assistant", "content": self.text or None}
        if not self.text and not self.tool_calls:
            message["content"] = ""
        if self.reasoning:
            message["reasoning"] = self.reasoning
        if self.thinking_blocks:
            message["thinking_blocks"] = self.thinking_blocks
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        return message


def chat_answer(
    envelope: Envelope,
    message: Message,
    *,
    reason: str,
    used: Used | None,
    stopped_at: object = None,
) -> bytes:
    """Return a whole chat; of no usage it says nothing."""
    choice: JsonObject = {"message": message.json}
    if stopped_at is not None:
        choice["stop_reason"] = stopped_at
    return _answer(envelope, Task.CHAT, "chat.completion", choice, reason, used)


def text_answer(
    envelope: Envelope, text: str, *, reason: str, used: Used | None
) -> bytes:
    """Return a whole completion; of no usage it says nothing."""
    choice: JsonObject = {"text": text}
    return _answer(envelope, Task.COMPLETION, "text_completion", choice, reason, used)


def embedding_answer(
    envelope: Envelope, vectors: Sequence[object], *, prompt_tokens: int | None
) -> bytes:
    """Return embeddings, in the order of their texts."""
    answer: JsonObject = {
        "object": "list",
        "model": envelope.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
    }
    if prompt_tokens is not None:
        answer["usage"] = {
            "prompt_tokens": prompt_tokens,
            "total_tokens": prompt_tokens,
        }
    return orjson.dumps(answer)


def _answer(
    envelope: Envelope,
    task: Task,
    kind: str,
    choice: JsonObject,
    reason: str,
    used: Used | None,
) -> bytes:
    choice = {"index": 0, "logprobs": None, **choice, "finish_reason": reason}
    answer = {**_frame(envelope, task, kind), "choices": [choice]}
    if used is not None:
        answer["usage"] = used.json
    return orjson.dumps(answer)


def _frame(envelope: Envelope, task: Task, kind: str) -> JsonObject:
    prefix = "chatcmpl" if task is Task.CHAT else "cmpl"
    return {
        "id": f"{prefix}-{envelope.attempt_id}",
        "object": kind,
        "created": _created(envelope.attempt_id),
        "model": envelope.model,
    }


def _created(attempt_id: str) -> int:
    """Return the second that an attempt's id begins with: a request's is a UUIDv7."""
    try:
        return int(attempt_id[:_HEX_OF_MS], 16) // 1000
    except ValueError:
        return 0
