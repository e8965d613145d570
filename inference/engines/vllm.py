"""vLLM: running usage in every chunk, and our attempt's id as the engine's own.

Two live requests of one id would be aborted together, so the id is the attempt's.
"""

from collections.abc import Mapping
from typing import ClassVar

from inference.engines.openai_compatible import OpenAICompatibleBackend


class VllmBackend(OpenAICompatibleBackend):
    """The dialect of vLLM's OpenAI server."""

    stream_options: ClassVar[Mapping[str, bool]] = {
        "include_usage": True,
        "continuous_usage_stats": True,
    }
    attempt_header: ClassVar[str] = "x-request-id"
