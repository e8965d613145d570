"""Chunks of a chat as Anthropic's events: the SDK puts together what was said."""

from typing import Any

import orjson
import pytest
from anthropic import not_given
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from inference.anthropic.errors import ANTHROPIC_ERRORS
from inference.anthropic.shape import MessagesShape
from inference.openai.reassembly import Reassembly
from inference.openai.stream import StreamFormatError
from kit.contracts import TokenCounts
from kit.errors import (
    EngineFailed,
    EngineOverloaded,
    EngineTimeout,
    InsufficientQuota,
    InvalidApiKey,
    InvalidRequest,
    ModelNotFound,
    PayloadTooLarge,
    PermissionDenied,
    PlatformError,
)

COUNTS = TokenCounts(
    input_tokens=5, cached_input_tokens=2, output_tokens=9, reasoning_tokens=3
)
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def chunk(
    delta: dict[str, Any], *, reason: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return a chunk of one choice; `more` is of the choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 7, "completion_tokens": 0},
    }


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    """Return a delta with a piece of a tool's call."""
    function = {"arguments": arguments, **more}
    named = {"id": f"call_{index}"} if "name" in more else {}
    return {"tool_calls": [{"index": index, "function": function, **named}]}


def show(*chunks: dict[str, Any], stops: frozenset[str] = frozenset()) -> bytes:
    """Return a stream's bytes."""
    shape = MessagesShape(stops)
    shown = [shape.event(orjson.dumps(each)) for each in chunks]
    return b"".join(shown) + shape.ending(COUNTS)


def events(stream: bytes) -> list[dict[str, Any]]:
    """Return the events, whose names must be what they say they are."""
    found: list[dict[str, Any]] = []
    for block in stream.split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        body = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + body["type"].encode()
        found.append(body)
    return found


def message_of(stream: bytes) -> Message:
    """Return what the SDK makes of a stream, once each event is as it should be."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    opened = closed = -1
    for body in events(stream):
        if body["type"] == "content_block_start":
            assert opened == closed
            opened += 1
            assert body["index"] == opened
        elif body["type"] == "content_block_delta":
            assert (body["index"], closed) == (opened, opened - 1)
        elif body["type"] == "content_block_stop":
            closed += 1
            assert body["index"] == closed == opened
        snapshot = accumulate_event(
            event=EVENT.validate_python(body),
            current_snapshot=snapshot,
            json_bufs=buffers,
            output_format=not_given,
        )
    assert opened == closed
    message: Message = snapshot
    return message


def shown_whole(*chunks: dict[str, Any], stops: frozenset[str] = frozenset()) -> Any:
    """Return the same as a whole answer."""
    reassembly = Reassembly()
    for each in chunks:
        reassembly.add(orjson.dumps(each))
    return MessagesShape(stops).answer(reassembly.answer(usage={}), COUNTS)


SAID = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "hm"}),
    # Some write it under two names.
    chunk({"reasoning": " so", "reasoning_content": " so"}),
    chunk({"content": "a"}),
    chunk({"content": "ß"}),
    chunk(call(0, "", name="f")),
    chunk(call(0, '{"x":')),
    chunk(call(0, "1}")),
    chunk(call(1, "{}", name="g")),
    chunk({}, reason="tool_calls"),
)


def test_an_answer_of_all_kinds_streamed() -> None:
    message = message_of(show(*SAID))
    assert [block.to_dict() for block in message.content] == [
        {"type": "thinking", "thinking": "hm so", "signature": ""},
        {"type": "text", "text": "aß"},
        {"type": "tool_use", "id": "call_0", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "call_1", "name": "g", "input": {}},
    ]
    assert (message.id, message.model, message.role) == ("msg_1", "m", "assistant")
    assert message.stop_reason == "tool_use"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (5, 2)
    assert usage.output_tokens == 9


def test_and_whole() -> None:
    answer = shown_whole(*SAID)
    assert answer["content"] == [
        {"type": "thinking", "thinking": "hm so", "signature": ""},
        {"type": "text", "text": "aß"},
        {"type": "tool_use", "id": "call_0", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "call_1", "name": "g", "input": {}},
    ]
    assert Message.model_validate(answer).usage.output_tokens == 9
    assert answer["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 2,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 3},
    }


def test_the_first_event_tells_the_prompt_without_what_was_cached() -> None:
    first = chunk({"role": "assistant"})
    first["usage"]["prompt_tokens_details"] = {"cached_tokens": 4}
    usage = events(show(first))[0]["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (3, 4)
    del first["usage"]
    assert events(show(first))[0]["message"]["usage"]["input_tokens"] == 0


@pytest.mark.parametrize(
    ("reason", "stopped_at", "said"),
    [
        ("stop", None, ("end_turn", None)),
        ("stop", "END", ("stop_sequence", "END")),
        ("stop", "not asked for", ("end_turn", None)),
        ("stop", 128009, ("end_turn", None)),
        ("length", None, ("max_tokens", None)),
        ("tool_calls", None, ("tool_use", None)),
        ("content_filter", None, ("refusal", None)),
        ("news", None, ("end_turn", None)),
    ],
)
def test_why_it_ended(
    reason: str, stopped_at: object, said: tuple[str, str | None]
) -> None:
    chunks = chunk({"content": "a"}), chunk({}, reason=reason, stop_reason=stopped_at)
    stops = frozenset({"END"})
    message = message_of(show(*chunks, stops=stops))
    assert (message.stop_reason, message.stop_sequence) == said
    whole = shown_whole(*chunks, stops=stops)
    assert (whole["stop_reason"], whole["stop_sequence"]) == said


def test_a_call_that_was_forced_is_a_use_of_a_tool() -> None:
    chunks = chunk(call(0, "{}", name="f")), chunk({}, reason="stop")
    assert message_of(show(*chunks)).stop_reason == "tool_use"
    assert shown_whole(*chunks)["stop_reason"] == "tool_use"


def test_a_signature_goes_with_its_thinking() -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "r"}
    chunks = (
        chunk({"reasoning": "hm"}),
        chunk({"thinking_blocks": [signed]}),
        chunk({"thinking_blocks": [redacted]}),
        chunk({"content": "a"}),
        chunk({}, reason="stop"),
    )
    expected = [signed, redacted, {"type": "text", "text": "a"}]
    message = message_of(show(*chunks))
    assert [block.to_dict() for block in message.content] == expected
    assert shown_whole(*chunks)["content"] == expected


def test_a_call_that_was_left_cannot_go_on() -> None:
    shape = MessagesShape()
    for index in (0, 1):
        shape.event(orjson.dumps(chunk(call(index, "{", name="f"))))
    with pytest.raises(StreamFormatError):
        shape.event(orjson.dumps(chunk(call(0, "}"))))


def test_arguments_that_are_no_object_stay_visible() -> None:
    chunks = chunk(call(0, "{oops", name="f")), chunk({}, reason="length")
    [block] = shown_whole(*chunks)["content"]
    assert block["input"] == {"arguments": "{oops"}


DELTAS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.text(max_size=5).map(lambda text: {"content": text}),
    st.text(max_size=5).map(lambda text: {"reasoning": text}),
    st.just({}),
)


@given(st.lists(DELTAS, max_size=12), st.lists(st.text(max_size=4), max_size=3))
def test_nothing_that_was_said_is_lost(
    deltas: list[dict[str, str]], arguments: list[str]
) -> None:
    written = [orjson.dumps({"a": text}).decode() for text in arguments]
    calls = [
        chunk(call(index, piece, **({"name": "f"} if piece is text[:2] else {})))
        for index, text in enumerate(written)
        for piece in (text[:2], text[2:])
    ]
    finish = chunk({}, reason="stop")
    message = message_of(show(*map(chunk, deltas), *calls, finish))
    for kind, name in (("text", "content"), ("thinking", "reasoning")):
        said = "".join(delta.get(name, "") for delta in deltas)
        shown = (b.to_dict() for b in message.content if b.type == kind)
        assert "".join(str(block[kind]) for block in shown) == said
    inputs = [block.input for block in message.content if block.type == "tool_use"]
    assert inputs == [{"a": text} for text in arguments]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (InvalidApiKey("x"), "authentication_error"),
        (PermissionDenied("x"), "permission_error"),
        (ModelNotFound("x"), "not_found_error"),
        (PayloadTooLarge("x"), "request_too_large"),
        (InsufficientQuota("x"), "rate_limit_error"),
        (EngineFailed("x"), "api_error"),
        (EngineOverloaded("x"), "overloaded_error"),
        (EngineTimeout("x"), "timeout_error"),
    ],
)
def test_errors_have_anthropic_s_names(error: PlatformError, kind: str) -> None:
    expected = {
        "type": "error",
        "error": {"type": kind, "message": error.message},
        "request_id": "r",
    }
    assert orjson.loads(ANTHROPIC_ERRORS.body(error, request_id="r")) == expected
    assert events(ANTHROPIC_ERRORS.last_event(error, request_id="r")) == [expected]


def test_what_is_no_text_is_not_shown_as_some() -> None:
    shape = MessagesShape()
    odd = {"content": [{"text": "free"}], "refusal": 5}
    shown = shape.event(orjson.dumps(chunk(odd)))
    shown += shape.event(orjson.dumps(chunk(call(0, "", name="look"))))
    shown += shape.event(
        orjson.dumps(
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": ["free"]}}]})
        )
    )
    assert b"free" not in shown
    message: dict[str, Any] = {"role": "assistant", **odd}
    whole = shape.answer({"choices": [{"message": message}]}, COUNTS)
    assert whole["content"] == []
