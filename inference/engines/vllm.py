"""vLLM: running usage in every chunk, and our attempt's id as the engine's own."""

from inference.engines.backend import EngineCall, openai_call
from inference.openai.errors import from_engine
from inference.openai.requests import GenerationRequest
from kit.errors import PlatformError

_STREAM_OPTIONS = {"include_usage": True, "continuous_usage_stats": True}


class VllmBackend:
    """The dialect of vLLM's OpenAI server."""

    reports_running_usage = True

    def call(
        self,
        request: GenerationRequest,
        *,
        model: str,
        attempt_id: str,
        output_tokens_max: int | None,
        credential: str,
    ) -> EngineCall:
        """Write the call; two live requests of one id would be aborted together."""
        return openai_call(
            request,
            model=model,
            output_tokens_max=output_tokens_max,
            stream_options=_STREAM_OPTIONS,
            headers={"x-request-id": attempt_id},
            credential=credential,
        )

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate vLLM's error body."""
        return from_engine(status, body)
