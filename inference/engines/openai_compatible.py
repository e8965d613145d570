"""Any server of the OpenAI API: final usage on request, nothing else presumed."""

from collections.abc import Mapping
from typing import ClassVar

import orjson

from inference.engines.backend import PATHS, EngineCall, Envelope, PromptCalls
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from inference.openai.usage import UsageError
from kit.errors import PlatformError


class OpenAICompatibleBackend:
    """The plain dialect, and the base of those that only add to it."""

    stream_options: ClassVar[Mapping[str, bool]] = {"include_usage": True}
    attempt_header: ClassVar[str] = "x-client-request-id"
    takes_cache_salt: ClassVar[bool] = False

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call in the form that all OpenAI-compatible engines share."""
        payload = {**request.payload, "model": envelope.model}
        if envelope.output_tokens_max is not None:
            payload["max_tokens"] = envelope.output_tokens_max
        if request.stream:
            payload["stream_options"] = self.stream_options
        if self.takes_cache_salt and envelope.cache_salt:
            payload["cache_salt"] = envelope.cache_salt
        headers = headers_for(envelope.credential)
        headers[self.attempt_header] = envelope.attempt_id
        return EngineCall(PATHS[request.surface], headers, orjson.dumps(payload))

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error body."""
        return from_engine(status, body)

    def prompt_calls(
        self, request: GenerationRequest, *, model: str, credential: str
    ) -> PromptCalls | None:
        """Know no call for it: the OpenAI API has none."""
        return None

    def prompt_tokens(self, body: bytes) -> int:
        """Refuse the answer to a call that was never made."""
        raise UsageError("this engine counts no prompts")


def headers_for(credential: str) -> dict[str, str]:
    """Return the headers of a JSON call."""
    headers = {"content-type": "application/json"}
    if credential:
        headers["authorization"] = f"Bearer {credential}"
    return headers
