"""SGLang: running usage as vLLM's, a cache salt, an id of ours, errors without a frame.

It answers a stream with 200 before it has looked at the prompt, so a refusal may be the
first event. Older ones write an error flat, which looks like a chunk of nothing.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from inference.engines.backend import Envelope, EventReader
from inference.engines.openai_compatible import OpenAICompatibleBackend
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.tasks import GENERATING, Task

_FLAT = b'{"object":"error"'
_FLAT_SPACED = b'{"object": "error"'


class SGLangBackend(OpenAICompatibleBackend):
    """The dialect of SGLang's OpenAI server."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    stream_options: ClassVar[Mapping[str, bool]] = {
        "include_usage": True,
        "continuous_usage_stats": True,
    }
    salted: ClassVar[frozenset[Task]] = GENERATING

    def additions(
        self, request: GenerationRequest, envelope: Envelope
    ) -> Mapping[str, Any]:
        """Name the attempt: two running ones of one id would be aborted together."""
        return {"rid": envelope.attempt_id} if request.task.generates else {}

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the stream, flat errors included."""
        return SGLangReader()


class SGLangReader(EventSplitter):
    """Splits the stream and puts a frame around errors that have none."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete."""
        return [
            b'{"error":' + event + b"}"
            if event.startswith((_FLAT, _FLAT_SPACED))
            else event
            for event in super().feed(data)
        ]
