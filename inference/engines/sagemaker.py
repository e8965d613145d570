"""Amazon SageMaker: a container of the OpenAI API behind the service's own endpoint.

What the container streams arrives in frames that cut it anywhere: put together it is
server-sent events, or JSON in lines. The service passes on none of our headers, so an
attempt is named in those that it has.
"""

from typing import ClassVar
from urllib.parse import quote

from inference.engines.aws_errors import from_aws, stream_fault
from inference.engines.aws_stream import FrameSplitter
from inference.engines.backend import EngineCall, Envelope, EventReader
from inference.engines.chunks import fault
from inference.engines.lines import LineSplitter
from inference.engines.openai_compatible import OpenAICompatibleBackend
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.tasks import Task
from kit.errors import PlatformError

_HEADERS = {
    "inference_component": "x-amzn-sagemaker-inference-component",
    "target_variant": "x-amzn-sagemaker-target-variant",
}


class SageMakerBackend(OpenAICompatibleBackend):
    """The dialect of InvokeEndpoint and InvokeEndpointWithResponseStream."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    attempt_header: ClassVar[str] = "x-amzn-sagemaker-inference-id"

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the container's call, to its endpoint."""
        call = super().call(request, envelope)
        endpoint = quote(envelope.options.get("endpoint", ""), safe="")
        verb = "invocations-response-stream" if request.stream else "invocations"
        headers = dict(call.headers)
        for option, header in _HEADERS.items():
            if value := envelope.options.get(option):
                headers[header] = value
        return EngineCall(f"/endpoints/{endpoint}/{verb}", headers, call.body)

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the frames."""
        return SageMakerReader()

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the exception, or what the container said in it."""
        return from_aws(status, body)


class SageMakerReader:
    """Puts a container's stream together again."""

    def __init__(self) -> None:
        self._frames = FrameSplitter()
        self._inner: EventSplitter | LineSplitter | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the events that they complete."""
        events: list[bytes] = []
        for frame in self._frames.feed(data):
            if frame.is_exception:
                events.append(_fault_of(frame.name, frame.payload))
            elif frame.name == "PayloadPart":
                events.extend(self._inside(frame.payload))
        return events

    def _inside(self, part: bytes) -> list[bytes]:
        if self._inner is None:
            # White space in front belongs to neither form.
            part = part.lstrip()
            if not part:
                return []
            is_lines = part.startswith(b"{")
            self._inner = LineSplitter() if is_lines else EventSplitter()
        return self._inner.feed(part)


def _fault_of(name: str, payload: bytes) -> bytes:
    message, status = stream_fault(name, payload)
    return fault(message, status)
