"""Ollama's own API: JSON lines, counts in the last one.

Its OpenAI surface loses errors within a stream, so it is not used. Ollama would shorten
a prompt that does not fit, and forget the beginning of a chat that grows too long: both
are switched off, for what was counted would not be what was asked. A count that it does
not name may be nothing or unknown, so then nothing is said of usage.
"""

import base64
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import orjson

from inference.engines.backend import EngineCall, Envelope, EventReader, PromptCalls
from inference.engines.chat_reading import (
    Image,
    functions_of,
    messages_of,
    parts_of,
    refuse,
    require_only,
    schema_of,
    stops_of,
    tool_uses_of,
)
from inference.engines.chunks import (
    Message,
    chat_answer,
    embedding_answer,
    text_answer,
)
from inference.engines.ollama_stream import OllamaReader, used_of
from inference.engines.openai_compatible import JSON
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from inference.openai.usage import UsageError
from kit.errors import ContextLengthExceeded, PlatformError
from kit.json_values import JsonObject, is_array, is_object

ENGINE = "Ollama"
# The same things under other names; the rest is named alike.
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "min_p": "min_p",
        "seed": "seed",
        "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty",
        "repetition_penalty": "repeat_penalty",
    }
)
_SHARED = _OPTIONS.keys() | {"stop"}
_CHAT = _SHARED | {"messages", "tools", "response_format", "reasoning_effort"}
_COMPLETION = _SHARED | {"prompt", "suffix"}
_EMBEDDING = frozenset({"input", "dimensions", "encoding_format"})
_EFFORTS: Mapping[str, bool | str] = MappingProxyType(
    {"none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high"}
)
# Neither shorten the prompt nor forget its beginning.
_EXACT: Mapping[str, bool] = MappingProxyType({"truncate": False, "shift": False})


class OllamaBackend:
    """The dialect of Ollama's native API."""

    tasks: ClassVar[frozenset[Task]] = frozenset(
        {Task.CHAT, Task.COMPLETION, Task.EMBEDDING}
    )

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call in Ollama's words."""
        if request.task is Task.EMBEDDING:
            return _call("/api/embed", _embed_body(request.payload), envelope)
        if request.choices > 1:
            raise refuse("answers with one choice", "n", engine=ENGINE)
        if request.task is Task.CHAT:
            body = _chat_body(request.payload)
            path = "/api/chat"
        elif request.task is Task.COMPLETION:
            body = _generate_body(request.payload)
            path = "/api/generate"
        else:
            raise refuse(f"cannot {request.task}", "model", engine=ENGINE)
        options = _options_of(request.payload, envelope)
        body |= {"stream": request.stream, "options": options, **_EXACT}
        return _call(path, body, envelope)

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the lines."""
        return OllamaReader(envelope, request.task)

    def answer(
        self, body: bytes, request: GenerationRequest, envelope: Envelope
    ) -> bytes:
        """Return a whole answer in the OpenAI API's form."""
        record = _object_of(body)
        if record.get("error") is not None:
            return body
        if request.task is Task.EMBEDDING:
            return _embeddings(record, request, envelope)
        if record.get("done") is not True:
            raise StreamFormatError("an answer that is not done")
        reader = OllamaReader(envelope, request.task)
        used = used_of(record)
        if request.task is Task.COMPLETION:
            text, reason = record.get("response"), reader.reason_of(record)
            return text_answer(envelope, _text(text), reason=reason, used=used)
        message = _message_of(record, reader)
        # Why it ended is told by whether it called a tool, too.
        reason = reader.reason_of(record)
        return chat_answer(envelope, message, reason=reason, used=used)

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error body; a missing model is between us and the engine."""
        error = from_engine(status, body)
        if status in {400, 500} and b"context length" in body:
            return ContextLengthExceeded(
                "The prompt does not fit into the model's context.", param="messages"
            )
        return error

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Know no call for it: Ollama counts only what it answers."""
        return None

    def prompt_tokens(self, body: bytes) -> int:
        """Refuse the answer to a call that was never made."""
        raise UsageError("this engine counts no prompts")


def _call(path: str, body: JsonObject, envelope: Envelope) -> EngineCall:
    body["model"] = envelope.model
    if keep_alive := envelope.options.get("keep_alive"):
        body["keep_alive"] = keep_alive
    return EngineCall(path, JSON, orjson.dumps(body))


def _chat_body(payload: Mapping[str, Any]) -> JsonObject:
    require_only(payload, _CHAT, engine=ENGINE)
    names: dict[str, str] = {}
    body: JsonObject = {
        "messages": [
            _message(message, where, names) for where, message in messages_of(payload)
        ]
    }
    if functions := functions_of(payload):
        body["tools"] = [{"type": "function", "function": each} for each in functions]
    if (schema := schema_of(payload)) is not None:
        body["format"] = schema or "json"
    if (effort := payload.get("reasoning_effort")) is not None:
        if not isinstance(effort, str) or effort not in _EFFORTS:
            raise refuse(
                "knows the efforts none to high", "reasoning_effort", engine=ENGINE
            )
        body["think"] = _EFFORTS[effort]
    return body


def _message(
    message: Mapping[str, Any], where: str, names: dict[str, str]
) -> JsonObject:
    """Return a message; `names` remembers whose result a tool's message will be."""
    role = message["role"]
    parts = parts_of(message, where)
    said: JsonObject = {
        "role": "system" if role == "developer" else role,
        "content": "".join(part for part in parts if isinstance(part, str)),
    }
    if images := [part.base64 for part in parts if isinstance(part, Image)]:
        said["images"] = images
    if uses := tool_uses_of(message, where):
        names.update({use.call_id: use.name for use in uses})
        said["tool_calls"] = [
            {"function": {"name": use.name, "arguments": use.arguments}} for use in uses
        ]
    if role == "tool":
        said["tool_name"] = names.get(str(message.get("tool_call_id")), "")
    return said


def _generate_body(payload: Mapping[str, Any]) -> JsonObject:
    require_only(payload, _COMPLETION, engine=ENGINE)
    prompt = payload["prompt"]
    if not isinstance(prompt, str):
        raise refuse("completes one prompt, given as text", "prompt", engine=ENGINE)
    body: JsonObject = {"prompt": prompt}
    if suffix := payload.get("suffix"):
        # With a suffix the model's template says how the two stand around a gap.
        return body | {"suffix": suffix}
    return body | {"raw": True}


def _embed_body(payload: Mapping[str, Any]) -> JsonObject:
    require_only(payload, _EMBEDDING, engine=ENGINE)
    texts = payload["input"]
    if not isinstance(texts, str) and not (
        is_array(texts) and all(isinstance(text, str) for text in texts)
    ):
        raise refuse("embeds texts, not token ids", "input", engine=ENGINE)
    body: JsonObject = {"input": texts, "truncate": False}
    if "dimensions" in payload:
        body["dimensions"] = payload["dimensions"]
    return body


def _options_of(payload: Mapping[str, Any], envelope: Envelope) -> JsonObject:
    options: JsonObject = {
        theirs: payload[ours] for ours, theirs in _OPTIONS.items() if ours in payload
    }
    if (stops := stops_of(payload)) is not None:
        options["stop"] = stops
    if envelope.output_tokens_max is not None:
        options["num_predict"] = envelope.output_tokens_max
    if (num_ctx := envelope.options.get("num_ctx", "")).isdecimal():
        options["num_ctx"] = int(num_ctx)
    return options


def _object_of(body: bytes) -> JsonObject:
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an answer that is not JSON") from error
    if not is_object(record):
        raise StreamFormatError("an answer that is not an object")
    return record


def _message_of(record: JsonObject, reader: OllamaReader) -> Message:
    said = record.get("message")
    if not is_object(said):
        raise StreamFormatError("an answer without a message")
    return Message(
        text=_text(said.get("content")),
        reasoning=_text(said.get("thinking")),
        tool_calls=reader.calls_of(said),
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise StreamFormatError("a text that is none")
    return value


def _embeddings(
    record: JsonObject, request: GenerationRequest, envelope: Envelope
) -> bytes:
    vectors = record.get("embeddings")
    if not is_array(vectors) or not all(map(_is_vector, vectors)):
        raise StreamFormatError("an answer without embeddings")
    tokens = record.get("prompt_eval_count")
    if request.payload.get("encoding_format") == "base64":
        try:
            vectors = [_packed(vector) for vector in vectors]
        except (OverflowError, struct.error) as error:
            raise StreamFormatError("embeddings out of range") from error
    return embedding_answer(
        envelope, vectors, prompt_tokens=tokens if type(tokens) is int else None
    )


def _is_vector(vector: object) -> bool:
    return is_array(vector) and all(type(each) in {int, float} for each in vector)


def _packed(vector: list[float]) -> str:
    """Write a vector as SDKs ask for it: 32-bit floats, little end first."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
