"""vLLM: running usage in every chunk, our attempt's id, a cache salt, and `/tokenize`.

Two live requests of one id would be aborted together, so the id is the attempt's. What
is cached under another salt is not found, so no tenant can tell from an answer's speed
or its cached tokens what another has asked.
`/tokenize` renders a chat as the model's own template does: its count is exact.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from inference.engines.backend import EngineCall, PromptCalls
from inference.engines.openai_compatible import JSON, OpenAICompatibleBackend
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from inference.openai.usage import UsageError, reported_tokens
from kit.json_values import is_object

# What of a chat its template renders.
_RENDERED = ("messages", "tools", "chat_template_kwargs")


class VllmBackend(OpenAICompatibleBackend):
    """The dialect of vLLM's OpenAI server."""

    stream_options: ClassVar[Mapping[str, bool]] = {
        "include_usage": True,
        "continuous_usage_stats": True,
    }
    attempt_header: ClassVar[str] = "x-request-id"
    # What only reads its prompt has the same cache.
    salted: ClassVar[frozenset[Task]] = frozenset(Task)

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Write one call for a chat, or one for each text of a completion."""
        payload = request.payload
        bodies: list[dict[str, Any]]
        if request.task is Task.CHAT:
            bodies = [{name: payload[name] for name in _RENDERED if name in payload}]
        else:
            bodies = [{"prompt": text} for text in request.texts]
        calls = tuple(
            EngineCall("/tokenize", JSON, orjson.dumps({"model": model, **body}))
            for body in bodies
        )
        return PromptCalls(request.known_tokens, calls)

    def prompt_tokens(self, body: bytes) -> int:
        """Read the count; the tokens themselves are of no interest."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UsageError("a count that is not JSON") from error
        if not is_object(answer):
            raise UsageError("a count that is not an object")
        if (tokens := reported_tokens(answer, "count")) < 1:
            raise UsageError("a prompt of no tokens cannot be")
        return tokens
