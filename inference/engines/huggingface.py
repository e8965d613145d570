"""Hugging Face Inference Endpoints: a container of another engine behind their proxy.

An endpoint that slept wakes up for minutes, while its proxy answers 502 or 503. Then
another replica is tried, and the caller told when to come again.
"""

from collections.abc import Mapping
from typing import ClassVar

from inference.engines.backend import (
    EngineCall,
    Envelope,
    EventReader,
    InferenceBackend,
    PromptCalls,
)
from inference.engines.openai_compatible import OpenAICompatibleBackend
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from kit.errors import EngineOverloaded, PlatformError

_WAKES = frozenset({502, 503})
_RETRY = {"retry-after": "20"}


class HuggingFaceBackend:
    """The dialect of whatever runs there, by the option `container`."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    def __init__(self, containers: Mapping[str, InferenceBackend]) -> None:
        self._containers = containers
        self._plain = OpenAICompatibleBackend()

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the container's call."""
        return self._inside(envelope).call(request, envelope)

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the container's stream."""
        return self._inside(envelope).reader(request, envelope)

    def answer(
        self, body: bytes, request: GenerationRequest, envelope: Envelope
    ) -> bytes:
        """Return the container's answer."""
        return self._inside(envelope).answer(body, request, envelope)

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error; who says it, proxy or container, cannot be told."""
        if status in _WAKES:
            return EngineOverloaded(
                "The model is being started. Try again shortly.", headers=_RETRY
            )
        return self._plain.error(status, body)

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Know no call for it: counting would wake an endpoint that sleeps."""
        return None

    def prompt_tokens(self, body: bytes) -> int:
        """Refuse the answer to a call that was never made."""
        return self._plain.prompt_tokens(body)

    def _inside(self, envelope: Envelope) -> InferenceBackend:
        container = envelope.options.get("container", "")
        return self._containers.get(container, self._plain)
