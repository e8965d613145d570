"""llama.cpp's server: running counts in each chunk's timings, and calls that count.

Its timings tell what is left of the prompt beside the cache, so both make the prompt.
Its cache of prompts knows no tenants, and what was found in it is told: it is not used,
unless the replica's option `shared_cache` says that it may be.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from inference.engines.backend import EngineCall, Envelope, EventReader, PromptCalls
from inference.engines.chunks import Used
from inference.engines.openai_compatible import JSON, OpenAICompatibleBackend
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from inference.openai.usage import UsageError, reported_tokens
from kit.errors import ContextLengthExceeded, PlatformError
from kit.json_values import JsonObject, is_array, is_object

_RENDERED = ("messages", "tools", "chat_template_kwargs")
_OVERFLOW = b"exceed_context_size_error"


class LlamaCppBackend(OpenAICompatibleBackend):
    """The dialect of llama-server."""

    tasks: ClassVar[frozenset[Task]] = frozenset(
        {Task.CHAT, Task.COMPLETION, Task.EMBEDDING, Task.RERANK}
    )

    def additions(
        self, request: GenerationRequest, envelope: Envelope
    ) -> Mapping[str, Any]:
        """Ask for running counts, and that no prompt be read from another's."""
        asked = {"timings_per_token": True} if request.stream else {}
        if request.task.generates and envelope.options.get("shared_cache") != "yes":
            asked["cache_prompt"] = False
        return asked

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the stream and its timings."""
        return LlamaCppReader(is_counted=request.choices == 1)

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error body; older servers answer a long prompt with a 500."""
        error = from_engine(status, body)
        if _OVERFLOW in body and not isinstance(error, ContextLengthExceeded):
            told = error.message if status == 400 else "The prompt is too long."
            return ContextLengthExceeded(told, param="messages")
        return error

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Write one call for a chat, or one for each text of a completion."""
        payload = request.payload
        if request.task is Task.CHAT:
            body = {name: payload[name] for name in _RENDERED if name in payload}
            chat = {"model": model, **body}
            path = "/v1/chat/completions/input_tokens"
            return PromptCalls(0, (EngineCall(path, JSON, orjson.dumps(chat)),))
        calls = tuple(
            EngineCall(
                "/tokenize",
                JSON,
                orjson.dumps({"content": text, "add_special": True}),
            )
            for text in request.texts
        )
        return PromptCalls(request.known_tokens, calls)

    def prompt_tokens(self, body: bytes) -> int:
        """Read the count of a chat, or count the tokens of a text."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UsageError("a count that is not JSON") from error
        if not is_object(answer):
            raise UsageError("a count that is not an object")
        listed = answer.get("tokens")
        tokens = (
            len(listed) if is_array(listed) else reported_tokens(answer, "input_tokens")
        )
        if tokens < 1:
            raise UsageError("a prompt of no tokens cannot be")
        return tokens


class LlamaCppReader(EventSplitter):
    """Splits the stream and says timings as running usage.

    They are one choice's; of several choices only the last usage is of use.
    """

    __slots__ = ("_is_counted",)

    def __init__(self, *, is_counted: bool) -> None:
        super().__init__()
        self._is_counted = is_counted

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete."""
        return [
            self._counted(event) if b'"timings"' in event else event
            for event in super().feed(data)
        ]

    def _counted(self, event: bytes) -> bytes:
        try:
            chunk = orjson.loads(event)
        except orjson.JSONDecodeError:
            return event
        if not is_object(chunk) or not is_object(timings := chunk.get("timings")):
            return event
        del chunk["timings"]
        if self._is_counted and chunk.get("choices") and chunk.get("usage") is None:
            used = _used_of(timings)
            if used is not None:
                chunk["usage"] = used.json
        return orjson.dumps(chunk)


def _used_of(timings: JsonObject) -> Used | None:
    counts = [timings.get(name, 0) for name in ("prompt_n", "cache_n", "predicted_n")]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise StreamFormatError("timings that are not integers")
    prompt, cached, output = counts
    # Before the prompt is through, nothing is known yet.
    return Used(prompt + cached, output, cached=cached) if prompt + cached else None
