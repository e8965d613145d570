"""Read responses as the openai SDK does: its decoder, its types, its accumulation."""

from collections.abc import Iterable
from typing import Any

import orjson
from openai import omit
from openai._streaming import SSEDecoder
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from inference.openai.requests import GenerationRequest
from inference.openai.responses.requests import read
from inference.openai.shapes import Shape
from inference.openai.stream import StreamOptions, StreamTranslator
from kit.contracts import TokenCounts

Json = dict[str, Any]
COUNTS = TokenCounts(
    input_tokens=11, cached_input_tokens=2, output_tokens=7, reasoning_tokens=3
)
_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(**fields: Any) -> GenerationRequest:
    """Read a request with these fields over the least there can be."""
    return read({"model": "m", "input": "hello", **fields}, key="k")


def chunk(delta: Json, *, end: str | None = None, logprobs: Any = None) -> Json:
    """Return a chat's chunk."""
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": end}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "engine-model",
        "choices": [choice],
    }


def shown(
    chunks: Iterable[Json], shape: Shape, *, counts: TokenCounts = COUNTS
) -> list[Json]:
    """Carry chunks through the translator, and return the events that are sent."""
    translator = StreamTranslator(
        StreamOptions(
            choices=1, include_usage=False, continuous_usage=False, shape=shape
        )
    )
    sent = [translator.feed([orjson.dumps(said)]) for said in chunks]
    sent.append(translator.feed([b"[DONE]"]))
    assert translator.failure is None
    assert translator.is_whole
    return events_of(b"".join(sent) + translator.ending(counts))


def events_of(data: bytes) -> list[Json]:
    """Return the events of a stream; each is named by its type, and numbered."""
    events = []
    for sse in SSEDecoder().iter_bytes(iter([data])):
        event = sse.json()
        assert sse.event == event["type"]
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def validated(events: Iterable[Json]) -> None:
    """Check each event against the SDK's own types."""
    for event in events:
        known = _EVENTS.validate_python(event)
        assert known.type == event["type"]


def accumulated(events: Iterable[Json]) -> Response:
    """Let the SDK put a stream together."""
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    response: Any = None
    for event in events:
        for said in state.handle_event(_EVENTS.validate_python(event)):
            response = getattr(said, "response", response)
    assert isinstance(response, Response)
    return response


def types_of(events: Iterable[Json]) -> list[str]:
    """Return the events' types, without what all have in common."""
    return [event["type"].removeprefix("response.") for event in events]
