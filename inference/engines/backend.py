"""What an engine must be told: the Protocol that each engine's file implements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from inference.openai.requests import GenerationRequest
from kit.contracts import Surface
from kit.errors import PlatformError

PATHS: Mapping[Surface, str] = {
    Surface.CHAT_COMPLETIONS: "/v1/chat/completions",
    Surface.COMPLETIONS: "/v1/completions",
}


@dataclass(frozen=True, slots=True)
class EngineCall:
    """One call as it goes to the engine."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PromptCalls:
    """How an engine is asked how long a prompt is: what is known, and calls to sum."""

    known_tokens: int
    calls: tuple[EngineCall, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes around a request on one attempt at one replica.

    `model` is the engine's own name of it. `cache_salt` keeps what one tenant's prompts
    left in the engine's cache from the others' requests: 43 characters, or none for an
    engine that is not to be told.
    """

    model: str
    attempt_id: str
    output_tokens_max: int | None = None
    credential: str = ""
    cache_salt: str = ""


class InferenceBackend(Protocol):
    """Translates between the OpenAI API and one engine's dialect of it."""

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call: the engine's own name of the model, usage forced on."""
        ...

    def error(self, status: int, body: bytes) -> PlatformError:
        """Say in our words what the engine's error response means for the caller."""
        ...

    def prompt_calls(
        self, request: GenerationRequest, *, model: str, credential: str
    ) -> PromptCalls | None:
        """Write the calls that count a prompt; None where the engine has no such."""
        ...

    def prompt_tokens(self, body: bytes) -> int:
        """Read the answer to one of these calls; raises `UsageError`."""
        ...
