"""A stream tells, event by event, the response that a whole answer is at once."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from inference.openai.reassembly import Reassembly
from inference.openai.responses import shape as shapes
from inference.openai.stream import StreamFormatError
from kit.contracts import TokenCounts
from kit.errors import (
    EngineFailed,
    InsufficientQuota,
    InvalidRequest,
    PermissionDenied,
    PlatformError,
)
from tests.inference.openai.responses.reading import (
    COUNTS,
    Json,
    accumulated,
    asked,
    chunk,
    events_of,
    shown,
    types_of,
    validated,
)

CAPTURE = Path(__file__).parents[3] / "captures" / "vllm" / "responses_stream.sse"
OPENING = ["created", "in_progress"]
ROLE = chunk({"role": "assistant", "content": ""})


def call(index: int, **function: Any) -> Json:
    """Return a piece of a call."""
    named = {"id": f"call-{index}", "type": "function"} if "name" in function else {}
    return {"tool_calls": [{"index": index, **named, "function": function}]}


def whole(chunks: list[Json], **fields: Any) -> Json:
    """Return the response of the answer that these chunks are, given at once."""
    reassembly = Reassembly()
    for said in chunks:
        reassembly.add(orjson.dumps(said))
    return asked(**fields).shape.answer(reassembly.answer(usage={}), COUNTS)


def test_words_are_told_of_from_their_first_to_their_last() -> None:
    events = shown(
        [ROLE, chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, end="stop")],
        asked().shape,
    )
    validated(events)
    assert types_of(events) == [
        *OPENING,
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.get("delta") for event in events[4:6]] == ["a", "b"]
    assert events[6]["text"] == events[7]["part"]["text"] == "ab"
    response = events[-1]["response"]
    assert response["output"] == [events[8]["item"]]
    assert response["created_at"] == 5
    assert response["usage"] == {
        "input_tokens": 13,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 20,
    }


def test_reasoning_ends_where_the_words_begin_and_calls_end_last() -> None:
    events = shown(
        [
            chunk({"reasoning": "hm", "reasoning_content": "hm"}),
            chunk({"content": "so"}),
            chunk(call(0, name="f", arguments='{"a"')),
            chunk(call(1, name="g", arguments="")),
            chunk(call(0, arguments=":1}")),
            chunk(call(1, arguments="{}")),
            chunk({}, end="tool_calls"),
        ],
        asked().shape,
    )
    validated(events)
    told = [(event["type"], event.get("output_index")) for event in events[2:-1]]
    reasoning, words, first, second = 0, 1, 2, 3
    assert told == [
        ("response.output_item.added", reasoning),
        ("response.content_part.added", reasoning),
        ("response.reasoning_text.delta", reasoning),
        ("response.reasoning_text.done", reasoning),
        ("response.content_part.done", reasoning),
        ("response.output_item.done", reasoning),
        ("response.output_item.added", words),
        ("response.content_part.added", words),
        ("response.output_text.delta", words),
        ("response.output_text.done", words),
        ("response.content_part.done", words),
        ("response.output_item.done", words),
        ("response.output_item.added", first),
        ("response.function_call_arguments.delta", first),
        ("response.output_item.added", second),
        ("response.function_call_arguments.delta", first),
        ("response.function_call_arguments.delta", second),
        ("response.function_call_arguments.done", first),
        ("response.output_item.done", first),
        ("response.function_call_arguments.done", second),
        ("response.output_item.done", second),
    ]
    output = accumulated(events).output
    assert [item.type for item in output] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert [
        (item.call_id, item.name, item.arguments)
        for item in output
        if item.type == "function_call"
    ] == [("call-0", "f", '{"a":1}'), ("call-1", "g", "{}")]


@pytest.mark.parametrize(
    ("end", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_what_is_cut_short_says_why(end: str, reason: str) -> None:
    chunks = [ROLE, chunk({"content": "a"}), chunk({}, end=end)]
    events = shown(chunks, asked().shape)
    validated(events)
    assert events[-1]["type"] == "response.incomplete"
    response = events[-1]["response"]
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert response["output"][0]["status"] == "incomplete"
    assert whole(chunks) == response


def test_only_the_last_item_is_incomplete() -> None:
    chunks = [
        chunk(call(0, name="f", arguments="{}")),
        chunk(call(1, name="g", arguments='{"')),
        chunk({}, end="length"),
    ]
    output = whole(chunks)["output"]
    assert [item["status"] for item in output] == ["completed", "incomplete"]


def test_an_answer_of_nothing_has_no_output() -> None:
    # Nothing is shown before it is settled: what is held has a limit.
    assert asked().shape.event(orjson.dumps(chunk({}, end="stop"))) == b""
    events = shown([chunk({}, end="stop")], asked().shape)
    validated(events)
    assert types_of(events) == [*OPENING, "completed"]
    assert events[-1]["response"]["output"] == []


def test_the_model_that_answers_is_named_or_else_the_one_that_was_asked() -> None:
    chunks = [chunk({"content": "a"}), chunk({}, end="stop")]
    assert whole(chunks)["model"] == "engine-model"
    for event in shown(chunks, asked().shape):
        assert event.get("response", {}).get("model") in (None, "engine-model")
    for said in chunks:
        del said["model"], said["created"]
    response = shown(chunks, asked().shape)[-1]["response"]
    assert (response["model"], response["created_at"]) == ("m", 0)


def test_a_call_that_an_engine_gave_no_id_gets_one() -> None:
    chunks = [chunk(call(0, arguments="{}")), chunk({}, end="stop")]
    [item] = whole(chunks)["output"]
    assert item["call_id"] == "call_k000"


def test_probabilities_stand_with_the_words_they_are_of() -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": None}
    logprobs = {"content": [{**token, "top_logprobs": [token]}]}
    chunks = [
        ROLE,
        chunk({"content": "a"}, logprobs=logprobs),
        chunk({"content": "b"}),
        chunk({}, end="stop"),
    ]
    events = shown(chunks, asked().shape)
    validated(events)
    spelt = {"token": "a", "logprob": -0.5, "bytes": [97]}
    expected = [{**spelt, "top_logprobs": [spelt]}]
    assert [event.get("logprobs") for event in events[4:7]] == [expected, [], expected]
    [item] = events[-1]["response"]["output"]
    assert item["content"][0]["logprobs"] == expected


# What an engine may say, in the order of a whole answer's fields.
Texts = st.lists(st.text(min_size=1, max_size=4), max_size=4)
Arguments = st.lists(st.text(max_size=4), max_size=4)
LOGPROBS = {"content": [{"token": "x", "logprob": -1.0, "bytes": [120]}]}


@st.composite
def natural(draw: st.DrawFn) -> list[Json]:
    """Draw deltas in the order in which engines write them; calls come in turns."""
    name = draw(st.sampled_from(["reasoning", "reasoning_content"]))
    deltas = [{name: text} for text in draw(Texts)]
    deltas += [{"content": text} for text in draw(Texts)]
    deltas += [{"refusal": text} for text in draw(Texts)]
    pieces = draw(st.lists(Arguments, max_size=3))
    for index in range(len(pieces)):
        has_more: bool = draw(st.booleans())
        first = pieces[index].pop(0) if pieces[index] and has_more else ""
        deltas.append(call(index, name=f"f{index}", arguments=first))
    while any(pieces):
        ready = [index for index, left in enumerate(pieces) if left]
        index = draw(st.sampled_from(ready))
        deltas.append(call(index, arguments=pieces[index].pop(0)))
    return deltas


def of_deltas(deltas: list[Json], end: str) -> list[Json]:
    """Return the chunks that carry them; a token's probability goes with its text."""
    return [
        ROLE,
        *(
            chunk(delta, logprobs=LOGPROBS if "content" in delta else None)
            for delta in deltas
        ),
        chunk({}, end=end),
    ]


Ends = st.sampled_from(["stop", "tool_calls", "length", "content_filter"])


@given(natural(), Ends)
def test_streamed_and_whole_are_one_response(deltas: list[Json], end: str) -> None:
    chunks = of_deltas(deltas, end)
    events = shown(chunks, asked().shape)
    validated(events)
    response = events[-1]["response"]
    assert response == whole(chunks)
    Response.model_validate(response, strict=True)
    assert without_parsed(accumulated(events).to_dict()) == response
    check_told(events)


def without_parsed(said: Any) -> Any:
    """Leave out what the SDK adds of its own."""
    if isinstance(said, list):
        return [without_parsed(each) for each in said]
    if isinstance(said, dict):
        return {
            name: without_parsed(value)
            for name, value in said.items()
            if not name.startswith("parsed")
        }
    return said


@given(st.permutations(range(8)), natural(), Ends)
def test_in_any_order_no_text_is_lost_or_late(
    order: list[int], deltas: list[Json], end: str
) -> None:
    deltas = [delta for place in order for delta in deltas[place::8]]
    shape = asked().shape
    for said in of_deltas(deltas, end)[:-1]:
        events = events_of_one(shape.event(orjson.dumps(said)))
        assert delivered(events) == text_of(said["choices"][0]["delta"])
    events = shown(of_deltas(deltas, end), asked().shape)
    validated(events)
    check_told(events)
    assert delivered(events) == "".join(map(text_of, deltas))


def text_of(delta: Json) -> str:
    """Return what a delta says, but for names, which are told when an item begins."""
    said = [delta.get(name) for name in ("content", "refusal")]
    said.append(delta.get("reasoning", delta.get("reasoning_content")))
    said += [each["function"]["arguments"] for each in delta.get("tool_calls", [])]
    return "".join(text or "" for text in said)


def events_of_one(data: bytes) -> list[Json]:
    """Return the events of a part of a stream."""
    return [
        orjson.loads(line.removeprefix(b"data: "))
        for line in data.split(b"\n")
        if line.startswith(b"data: ")
    ]


def delivered(events: list[Json]) -> str:
    """Return what the deltas say."""
    return "".join(event.get("delta", "") for event in events)


def check_told(events: list[Json]) -> None:
    """Check that each item's deltas are what its end says, and what the last event."""
    written: dict[tuple[str, int], str] = {}
    ends: dict[tuple[str, int], str] = {}
    for event in events:
        place = (event.get("item_id", ""), event.get("content_index", 0))
        if event["type"].endswith(".delta"):
            assert place not in ends
            written[place] = written.get(place, "") + event["delta"]
        elif event["type"].endswith(".done") and "item_id" in event:
            for name in ("text", "refusal", "arguments"):
                ends[place] = event.get(name, ends.get(place, ""))
    assert {place: text for place, text in ends.items() if text} == written
    done = [event for event in events if event["type"] == "response.output_item.done"]
    done.sort(key=lambda event: event["output_index"])
    assert [event["item"] for event in done] == events[-1]["response"]["output"]


# Ends that are none ------------------------------------------------------------------


def counted(text: str, output: int) -> bytes:
    """Return a chunk with running usage."""
    usage = {"prompt_tokens": 9, "completion_tokens": output}
    return orjson.dumps(chunk({"content": text}) | {"usage": usage})


def test_a_failure_tells_of_what_was_sent_and_then_raises() -> None:
    shape = asked().shape
    sent = shape.event(counted("a", 1)) + shape.event(counted("b", 2))
    events = events_of(
        sent + shape.last_event(EngineFailed("It broke."), request_id="")
    )
    validated(events)
    assert types_of(events)[-2:] == ["failed", "error"]
    response = events[-2]["response"]
    assert (response["status"], response["output"]) == ("failed", [])
    assert response["error"] == {"code": "server_error", "message": "It broke."}
    assert response["usage"]["input_tokens"] == 9
    assert response["usage"]["output_tokens"] == 2
    assert events[-1]["code"] == events[-1]["error"]["code"] == "engine_failed"
    assert events[-1]["message"] == "It broke."


def test_what_a_budget_withheld_is_not_told_of() -> None:
    shape = asked().shape
    sent = shape.event(counted("a", 1))
    shape.event(counted("b", 2))
    shape.take_back()
    last = shape.last_event(InsufficientQuota("Spent."), request_id="")
    events = events_of(sent + last)
    validated(events)
    response = events[-2]["response"]
    assert response["usage"]["output_tokens"] == 1
    assert response["error"]["code"] == "rate_limit_exceeded"
    assert events[-1]["code"] == "insufficient_quota"


def test_a_failure_before_the_first_token_has_used_nothing() -> None:
    shape = asked().shape
    shape.event(counted("", 0))
    [*_, failed, _] = events_of_one(shape.last_event(EngineFailed("x"), request_id=""))
    assert failed["response"]["usage"] is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), "invalid_prompt"),
        (InsufficientQuota("x"), "rate_limit_exceeded"),
        (PermissionDenied("x", code="key_revoked"), "server_error"),
        (EngineFailed("x"), "server_error"),
    ],
)
def test_a_response_fails_with_one_of_the_codes_that_it_may(
    error: PlatformError, code: str
) -> None:
    events = events_of(asked().shape.last_event(error, request_id=""))
    validated(events)
    assert events[-2]["response"]["error"]["code"] == code
    assert events[-1]["code"] == error.code


def test_a_failure_of_a_stream_that_has_not_begun_begins_it() -> None:
    last = asked().shape.last_event(EngineFailed("x"), request_id="")
    events = events_of(last)
    validated(events)
    assert types_of(events) == [*OPENING, "failed", "error"]


@pytest.mark.parametrize("said", [b"{", b"[]", b'"x"'])
def test_what_is_no_chunk_is_refused(said: bytes) -> None:
    with pytest.raises(StreamFormatError):
        asked().shape.event(said)


@pytest.mark.parametrize(
    "said",
    [
        b'{"choices":1}',
        b'{"choices":[1]}',
        b'{"choices":[{"delta":5}]}',
        b'{"choices":[{"delta":{"content":5,"tool_calls":[1,{"index":"0"}]}}]}',
        b'{"choices":[{"delta":{},"logprobs":5,"finish_reason":["x"]}],"usage":5}',
    ],
)
def test_what_is_no_text_is_read_over(said: bytes) -> None:
    assert types_of(events_of(asked().shape.event(said))) == OPENING


def test_an_answer_is_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "CHARACTERS_MAX", 3)
    monkeypatch.setattr(shapes, "ITEMS_MAX", 1)
    long, wide = asked().shape, asked().shape
    long.event(orjson.dumps(chunk({"content": "abc"})))
    wide.event(orjson.dumps(chunk(call(0, name="f"))))
    with pytest.raises(StreamFormatError):
        long.event(orjson.dumps(chunk({"content": "d"})))
    with pytest.raises(StreamFormatError):
        wide.event(orjson.dumps(chunk(call(1, name="g"))))


def test_errors_name_the_fields_that_the_caller_knows() -> None:
    error = InvalidRequest(
        "'max_tokens' may be at most 5; 'messages[3].content' is wrong.",
        param="messages[3].content",
    )
    body = orjson.loads(asked().shape.body(error, request_id=""))["error"]
    assert body["message"] == "'max_output_tokens' may be at most 5; 'input' is wrong."
    assert body["param"] == "input"
    assert error.param == "messages[3].content"


# vLLM's own --------------------------------------------------------------------------

# Where we differ from vLLM 0.32 and mean it. An output that was cut short is
# incomplete, and its response ends with `response.incomplete`: so the API's reference.
# What sampling was left to the model's defaults is not known here. Nothing is stored.
DIFFERENT = {"id", "item_id", "status", "temperature", "top_p", "service_tier"}
DIFFERENT |= {"tool_choice", "top_logprobs", "logprobs", "reasoning", "metadata"}
ONLY_VLLM = {"phase", "prompt", "presence_penalty", "frequency_penalty"}
ONLY_VLLM |= {"kv_transfer_params", "ec_transfer_params", "input_messages"}
ONLY_VLLM |= {"output_messages", "input_tokens_per_turn", "cached_tokens_per_turn"}
ONLY_VLLM |= {"output_tokens_per_turn", "tool_output_tokens"}
ONLY_VLLM |= {"tool_output_tokens_per_turn"}
ONLY_OURS = {"error", "prompt_cache_key", "safety_identifier", "store"}


def test_vllm_says_the_same_field_by_field() -> None:
    theirs = events_of(CAPTURE.read_bytes())
    usage = theirs[-1]["response"]["usage"]
    texts = [event["delta"] for event in theirs if "delta" in event]
    first = theirs[0]["response"]
    frame = {"created": first["created_at"], "model": first["model"]}
    chunks = [ROLE | frame, *(chunk({"content": text}) for text in texts)]
    ours = shown(
        [*chunks, chunk({}, end="length")],
        asked(max_output_tokens=6).shape,
        counts=TokenCounts(usage["input_tokens"], 0, usage["output_tokens"]),
    )
    kinds = types_of(theirs)
    assert (kinds[-1], types_of(ours)[-1]) == ("completed", "incomplete")
    assert types_of(ours)[:-1] == kinds[:-1]
    ours[-1]["type"] = theirs[-1]["type"]
    for mine, other in zip(ours, theirs, strict=True):
        compare(mine, other)


def compare(mine: Any, other: Any) -> None:
    """Check that two events differ only where we mean them to."""
    if isinstance(mine, dict) and isinstance(other, dict):
        assert other.keys() - mine.keys() <= ONLY_VLLM
        assert mine.keys() - other.keys() <= ONLY_OURS
        for name in mine.keys() & other.keys() - DIFFERENT - ONLY_VLLM:
            compare(mine[name], other[name])
    elif isinstance(mine, list) and isinstance(other, list):
        for one, another in zip(mine, other, strict=True):
            compare(one, another)
    elif other is None:
        # Of a form that was not asked for it says nothing, and we that it is text.
        assert mine in (None, {"format": {"type": "text"}})
    else:
        assert mine == other
