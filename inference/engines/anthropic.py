"""Anthropic's Messages API as an engine: chats, and nothing else.

It counts prompts by itself, exactly as it bills them. Its caches are each customer's,
so there is no salt; an answer's reasoning comes back to it signed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import orjson

from inference.engines.anthropic_requests import message_request, prompt_request
from inference.engines.anthropic_stream import AnthropicReader, read_message
from inference.engines.backend import EngineCall, Envelope, EventReader, PromptCalls
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from inference.openai.usage import UsageError, reported_tokens
from kit.errors import ContextLengthExceeded, InvalidRequest, PlatformError
from kit.json_values import is_object

PATH = "/v1/messages"
COUNT_PATH = "/v1/messages/count_tokens"
HEADERS: Mapping[str, str] = MappingProxyType(
    {"content-type": "application/json", "anthropic-version": "2023-06-01"}
)
# What is said of a prompt that does not fit; it has no code of its own.
_TOO_LONG = ("prompt is too long", "exceed context limit")
_OVERLOADED = 529


class AnthropicBackend:
    """The dialect of Anthropic's own API, and of whoever speaks it."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT})

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call; raises `InvalidRequest` for what it has no words for."""
        body = message_request(request.payload, envelope)
        if request.stream:
            body["stream"] = True
        return EngineCall(PATH, HEADERS, orjson.dumps(body))

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads its named events."""
        return AnthropicReader(envelope)

    def answer(
        self, body: bytes, request: GenerationRequest, envelope: Envelope
    ) -> bytes:
        """Read a whole message."""
        return read_message(body, envelope)

    def error(self, status: int, body: bytes) -> PlatformError:
        """Say an error in our words; that it is overloaded has a status of its own."""
        error = from_engine(503 if status == _OVERLOADED else status, body)
        if type(error) is InvalidRequest and any(
            said in error.message for said in _TOO_LONG
        ):
            return ContextLengthExceeded(error.message, param="messages")
        return error

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Write the call that counts; None for what it has no words for."""
        if request.task is not Task.CHAT:
            return None
        try:
            prompt = prompt_request(request.payload, {})
        except InvalidRequest:
            return None
        body = orjson.dumps({"model": model, **prompt})
        return PromptCalls(0, (EngineCall(COUNT_PATH, HEADERS, body),))

    def prompt_tokens(self, body: bytes) -> int:
        """Read the count."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UsageError("a count that is not JSON") from error
        if not is_object(answer):
            raise UsageError("a count that is not an object")
        if (tokens := reported_tokens(answer, "input_tokens")) < 1:
            raise UsageError("a prompt of no tokens cannot be")
        return tokens
