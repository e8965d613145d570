"""Any server of the OpenAI API: final usage on request, nothing else presumed."""

from inference.engines.backend import EngineCall, openai_call
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from kit.errors import PlatformError

_STREAM_OPTIONS = {"include_usage": True}


class OpenAICompatibleBackend:
    """The plain dialect."""

    reports_running_usage = False

    def call(
        self,
        request: GenerationRequest,
        *,
        model: str,
        attempt_id: str,
        output_tokens_max: int | None,
        credential: str,
    ) -> EngineCall:
        """Write the call."""
        return openai_call(
            request,
            model=model,
            output_tokens_max=output_tokens_max,
            stream_options=_STREAM_OPTIONS,
            headers={"x-client-request-id": attempt_id},
            credential=credential,
        )

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error body."""
        return from_engine(status, body)
