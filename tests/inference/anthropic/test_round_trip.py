"""Messages in front of an engine of Anthropic's: what passes through both is the same.

A request goes from blocks to a chat and back to blocks, an answer from events to chunks
and back to events. Nothing that was said, called or signed may be lost on the way.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest
from anthropic import not_given
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from inference.anthropic.requests import parse
from inference.anthropic.shape import MessagesShape
from inference.engines.anthropic import AnthropicBackend
from inference.engines.backend import Envelope
from inference.openai.answers import read_answer
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamOptions, StreamTranslator
from inference.openai.tasks import Task
from inference.openai.usage import Tally

CAPTURES = Path(__file__).parents[2] / "captures" / "anthropic"
WHOLE = ["text", "tools", "thinking", "stop_sequence"]
STOPS = ["three"]
BACKEND = AnthropicBackend()
ENVELOPE = Envelope("m", "a-0", 9)
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
Json = dict[str, Any]


def request_of(**fields: Any) -> GenerationRequest:
    """Read a body of the Messages API."""
    hello = [{"role": "user", "content": "hello"}]
    body = {"model": "m", "max_tokens": 9, "messages": hello, **fields}
    return parse(orjson.dumps({"stop_sequences": STOPS, **body}))


def message_of(stream: bytes) -> Json:
    """Return what the SDK makes of a stream, but for what is each answer's own."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in EventSplitter().feed(stream):
        body = {"type": "ping"} if event.startswith(b":") else orjson.loads(event)
        if body["type"] == "ping":
            continue
        snapshot = accumulate_event(
            event=EVENT.validate_python(body),
            current_snapshot=snapshot,
            json_bufs=buffers,
            output_format=not_given,
        )
    message: Message = snapshot
    return told(message.to_dict())


def told(message: Json) -> Json:
    """Return what an answer says."""
    used = message["usage"]
    # We do not tell what was written to a cache from what was not.
    prompt = used["input_tokens"] + (used.get("cache_creation_input_tokens") or 0)
    return {
        "content": [
            {name: value for name, value in block.items() if value is not None}
            for block in message["content"]
        ],
        "stop_reason": message["stop_reason"],
        "stop_sequence": message["stop_sequence"],
        "prompt": prompt,
        "cached": used.get("cache_read_input_tokens") or 0,
        "output": used["output_tokens"],
    }


def streamed_through(stream: bytes) -> bytes:
    """Return a stream as the Messages API's client gets it."""
    request = request_of(stream=True)
    reader = BACKEND.reader(request, ENVELOPE)
    translator = StreamTranslator(
        StreamOptions(1, False, False, shape=MessagesShape(frozenset(STOPS)))
    )
    out = translator.feed(reader.feed(stream))
    assert translator.failure is None
    assert translator.is_whole
    return out + translator.ending(translator.tally.counts())


def whole_through(message: Json) -> Json:
    """Return a whole answer as the Messages API's client gets it."""
    body = BACKEND.answer(orjson.dumps(message), request_of(), ENVELOPE)
    tally = Tally()
    answer = read_answer(body, Task.CHAT, tally)
    return MessagesShape(frozenset(STOPS)).answer(answer.json, tally.counts())


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_that_was_written_down(name: str) -> None:
    stream = (CAPTURES / f"{name}.sse").read_bytes()
    assert message_of(streamed_through(stream)) == message_of(stream)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
INPUTS = st.dictionaries(TEXTS, TEXTS | st.integers(-9, 9) | st.none(), max_size=2)
SIGNED = st.builds(
    lambda text, signature: {
        "type": "thinking",
        "thinking": text,
        "signature": signature,
    },
    TEXTS,
    TEXTS,
)
SAID = TEXTS.map(lambda text: {"type": "text", "text": text})
USES = INPUTS.map(lambda given: {"type": "tool_use", "name": "f", "input": given})


@st.composite
def answers(draw: st.DrawFn) -> list[Json]:
    """Draw blocks as a model says them: thinking, a text, calls."""
    uses = draw(st.lists(USES, max_size=3))
    return [
        *draw(st.lists(SIGNED, max_size=1)),
        *draw(st.lists(SAID, max_size=1)),
        *({**use, "id": f"toolu_{number}"} for number, use in enumerate(uses)),
    ]


def stream_of(blocks: list[Json], sizes: int) -> bytes:
    """Return the events of an answer, its texts in pieces of a size."""
    usage = {"input_tokens": 3, "output_tokens": 1}
    frame = {"id": "msg_1", "role": "assistant", "model": "m", "content": []}
    ends = {"stop_reason": None, "stop_sequence": None}
    start = {"type": "message", **frame, **ends, "usage": usage}
    events: list[Json] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(blocks):
        empty, deltas = _pieces(block, sizes)
        where = {"index": index}
        events.append({"type": "content_block_start", **where, "content_block": empty})
        events += [
            {"type": "content_block_delta", **where, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", **where})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    if any(block["type"] == "tool_use" for block in blocks):
        end["stop_reason"] = "tool_use"
    events.append(
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 8}}
    )
    events.append({"type": "message_stop"})
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)


def _pieces(block: Json, size: int) -> tuple[Json, list[Json]]:
    def cut(text: str) -> list[str]:
        return [text[at : at + size] for at in range(0, len(text), size)]

    if block["type"] == "tool_use":
        written = orjson.dumps(block["input"]).decode()
        deltas = [
            {"type": "input_json_delta", "partial_json": part} for part in cut(written)
        ]
        return {**block, "input": {}}, deltas if block["input"] else []
    if block["type"] == "text":
        texts = [{"type": "text_delta", "text": part} for part in cut(block["text"])]
        return {**block, "text": ""}, texts
    thoughts = [
        {"type": "thinking_delta", "thinking": part} for part in cut(block["thinking"])
    ]
    signed = {"type": "signature_delta", "signature": block["signature"]}
    return {**block, "thinking": "", "signature": ""}, [*thoughts, signed]


@given(answers(), st.integers(1, 4))
def test_an_answer_loses_nothing(blocks: list[Json], size: int) -> None:
    stream = stream_of(blocks, size)
    shown = message_of(streamed_through(stream))
    assert shown["content"] == blocks
    assert shown == message_of(stream)
    usage = {"input_tokens": 3, "output_tokens": 8}
    whole = {
        "type": "message",
        "content": blocks,
        "stop_reason": shown["stop_reason"],
        "stop_sequence": None,
        "usage": usage,
    }
    assert told(whole_through(whole)) == shown


@st.composite
def conversations(draw: st.DrawFn) -> list[Json]:
    """Draw turns: what a user says, an answer, and the results of what it called."""
    turns: list[Json] = [{"role": "user", "content": draw(st.lists(SAID, min_size=1))}]
    for _ in range(draw(st.integers(0, 2))):
        said = draw(answers())
        results: list[Json] = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": draw(st.lists(SAID, min_size=1, max_size=2)),
            }
            for block in said
            if block["type"] == "tool_use"
        ]
        if not said:
            continue
        turns.append({"role": "assistant", "content": said})
        asked = [*results, *draw(st.lists(SAID, min_size=0 if results else 1))]
        turns.append({"role": "user", "content": asked})
    return turns


@given(conversations(), st.lists(SAID, max_size=2), INPUTS)
def test_a_request_loses_nothing(
    turns: list[Json], system: list[Json], properties: Json
) -> None:
    tool = {"name": "f", "input_schema": {"type": "object", "properties": properties}}
    asked: Json = {
        "messages": turns,
        "tools": [tool],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        **({"system": system} if system else {}),
    }
    sent = orjson.loads(BACKEND.call(request_of(**asked), ENVELOPE).body)
    fixed = {"model": "m", "max_tokens": 9, "stop_sequences": STOPS}
    assert sent == {**fixed, **asked}
