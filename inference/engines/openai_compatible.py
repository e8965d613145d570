"""Any server of the OpenAI API: final usage on request, nothing else presumed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import orjson

from inference.engines.backend import EngineCall, Envelope, EventReader, PromptCalls
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.tasks import Task
from inference.openai.usage import UsageError
from kit.errors import PlatformError

PATHS: Mapping[Task, str] = {
    Task.CHAT: "/v1/chat/completions",
    Task.COMPLETION: "/v1/completions",
    Task.EMBEDDING: "/v1/embeddings",
    Task.RERANK: "/v1/rerank",
    Task.SCORE: "/v1/score",
}
_NONE: Mapping[str, Any] = MappingProxyType({})
JSON: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


class OpenAICompatibleBackend:
    """The plain dialect, and the base of those that only add to it."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    stream_options: ClassVar[Mapping[str, bool]] = {"include_usage": True}
    attempt_header: ClassVar[str] = "x-client-request-id"
    # For which tasks the engine is told whose its cache of a prompt is.
    salted: ClassVar[frozenset[Task]] = frozenset()

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call in the form that all OpenAI-compatible engines share."""
        payload = {**request.payload, "model": envelope.model}
        if envelope.output_tokens_max is not None:
            payload["max_tokens"] = envelope.output_tokens_max
        if request.stream:
            payload["stream_options"] = self.stream_options
        if envelope.cache_salt and request.task in self.salted:
            payload["cache_salt"] = envelope.cache_salt
        payload.update(self.additions(request, envelope))
        headers = {**JSON, self.attempt_header: envelope.attempt_id}
        return EngineCall(
            self.path(request.task, envelope), headers, orjson.dumps(payload)
        )

    def additions(
        self, request: GenerationRequest, envelope: Envelope
    ) -> Mapping[str, Any]:
        """Return the fields that this engine is told besides."""
        return _NONE

    def path(self, task: Task, envelope: Envelope) -> str:
        """Return where a task is asked for, below the replica's base URL."""
        return PATHS[task]

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Split the stream: its events are what is wanted already."""
        return EventSplitter()

    def answer(
        self, body: bytes, request: GenerationRequest, envelope: Envelope
    ) -> bytes:
        """Leave the answer as it is."""
        return body

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error body."""
        return from_engine(status, body)

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Know no call for it: the OpenAI API has none."""
        return None

    def prompt_tokens(self, body: bytes) -> int:
        """Refuse the answer to a call that was never made."""
        raise UsageError("this engine counts no prompts")
