"""Text Generation Inference: no running usage, and errors in a shape of their own."""

from collections.abc import Mapping
from typing import ClassVar

import orjson

from inference.engines.backend import Envelope, EventReader
from inference.engines.chunks import fault
from inference.engines.openai_compatible import OpenAICompatibleBackend
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.tasks import Task
from kit.json_values import is_object

_ERROR = (b'{"error"', b'{ "error"')
# Whatever fails within a stream is said under the status of a request that is wrong;
# these are the words for what is not.
_FAILURES: Mapping[str, int] = {
    "Request failed during generation": 500,
    "Incomplete generation": 500,
    "Model is overloaded": 429,
}


class TgiBackend(OpenAICompatibleBackend):
    """The dialect of TGI's messages API."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT, Task.COMPLETION})

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the stream, its errors included."""
        return TgiReader()


class TgiReader(EventSplitter):
    """Splits the stream and puts an error's status where the OpenAI API has it."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete."""
        return [
            _framed(event) if event.startswith(_ERROR) else event
            for event in super().feed(data)
        ]


def _framed(event: bytes) -> bytes:
    try:
        said = orjson.loads(event)
    except orjson.JSONDecodeError:
        return event
    error = said.get("error") if is_object(said) else None
    if isinstance(error, str):
        return fault(error)
    if not is_object(error):
        return event
    said_message = error.get("message")
    message = said_message if isinstance(said_message, str) else ""
    return fault(message, _status_of(error.get("http_status_code"), message))


def _status_of(status: object, message: str) -> int:
    for words, real in _FAILURES.items():
        if message.startswith(words):
            return real
    return status if type(status) is int else 500
