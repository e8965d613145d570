"""What an engine must be told: the Protocol that each engine's file implements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from kit.errors import PlatformError
from kit.records import record


@record(frozen=True, slots=True)
class EngineCall:
    """One call as it goes to the engine, but for what proves who we are."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PromptCalls:
    """How an engine is asked how long a prompt is: what is known, and calls to sum."""

    known_tokens: int
    calls: tuple[EngineCall, ...]


@record(frozen=True, slots=True)
class Envelope:
    """What goes around a request on one attempt at one replica.

    `model` is the engine's own name of it. `cache_salt` keeps what one tenant's prompts
    left in the engine's cache from the others' requests: 43 characters, or none for an
    engine that is not to be told. `options` are the replica's, for its dialect alone.
    """

    model: str
    attempt_id: str
    output_tokens_max: int | None = None
    cache_salt: str = ""
    options: Mapping[str, str] = field(default_factory=dict[str, str])


class EventReader(Protocol):
    """Reads one streamed answer, at whatever bytes it is cut."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete, in order.

        Events are the data of the OpenAI API's stream: chunks in JSON, comments that
        begin with a colon, and the end mark. Raises `StreamFormatError` and
        `EventTooLargeError` for what the dialect does not allow.
        """
        ...


class InferenceBackend(Protocol):
    """Translates between the OpenAI API and one engine's dialect.

    `tasks` are those that it can be asked for.
    """

    tasks: ClassVar[frozenset[Task]]

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call: the engine's own name of the model, usage forced on.

        Raises `InvalidRequest` for what the dialect has no words for.
        """
        ...

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the streamed answer to a call."""
        ...

    def answer(
        self, body: bytes, request: GenerationRequest, envelope: Envelope
    ) -> bytes:
        """Return a whole answer in the OpenAI API's form.

        Raises `StreamFormatError` for what is none.
        """
        ...

    def error(self, status: int, body: bytes) -> PlatformError:
        """Say in our words what the engine's error response means for the caller."""
        ...

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Write the calls that count a prompt; None where the engine has no such."""
        ...

    def prompt_tokens(self, body: bytes) -> int:
        """Read the answer to one of these calls; raises `UsageError`."""
        ...
