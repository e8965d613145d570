"""A chat as Anthropic's API is asked for it, and its answers as those of a chat."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from inference.engines.anthropic import AnthropicBackend
from inference.engines.backend import Envelope
from inference.openai.reassembly import Reassembly
from inference.openai.requests import GenerationRequest, parse
from inference.openai.stream import StreamFormatError, StreamOptions, StreamTranslator
from inference.openai.usage import UsageError
from kit.contracts import Surface, TokenCounts
from kit.errors import (
    ContextLengthExceeded,
    EngineFailed,
    EngineOverloaded,
    InvalidRequest,
)

CAPTURES = Path(__file__).parents[2] / "captures" / "anthropic"
BACKEND = AnthropicBackend()
ENVELOPE = Envelope("claude-example-1", "a-0", 50)
HELLO = [{"role": "user", "content": "hello"}]
CALL = {
    "id": "toolu_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}
CALLED: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "what is f?"}]},
    {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "toolu_1", "content": "it is 2"},
    {"role": "user", "content": "say it"},
]
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}


def request_of(**fields: Any) -> GenerationRequest:
    body = {"model": "public", "messages": HELLO, **fields}
    return parse(Surface.CHAT_COMPLETIONS, orjson.dumps(body))


def sent(*, envelope: Envelope = ENVELOPE, **fields: Any) -> dict[str, Any]:
    call = BACKEND.call(request_of(**fields), envelope)
    assert call.path == "/v1/messages"
    assert call.headers["anthropic-version"] == "2023-06-01"
    body: dict[str, Any] = orjson.loads(call.body)
    return body


# What it is asked --------------------------------------------------------------------


def test_the_body_is_what_was_asked_and_no_more() -> None:
    text = [{"type": "text", "text": "hello"}]
    plain = {
        "model": "claude-example-1",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": text}],
    }
    assert sent() == plain
    assert sent(n=1, frequency_penalty=0, logprobs=False, user="u") == plain
    assert sent(stream=True, temperature=0.5, stop="x", top_k=3) == {
        **plain,
        "stream": True,
        "temperature": 0.5,
        "stop_sequences": ["x"],
        "top_k": 3,
    }


@pytest.mark.parametrize(("options", "most"), [({}, 4096), ({"max_tokens": "99"}, 99)])
def test_it_is_always_told_how_much_to_say(options: dict[str, str], most: int) -> None:
    envelope = Envelope("m", "a-0", None, options=options)
    assert sent(envelope=envelope)["max_tokens"] == most


def test_a_conversation_with_tools() -> None:
    body = sent(
        messages=CALLED,
        tools=[{"type": "function", "function": FUNCTION}],
        tool_choice="required",
        parallel_tool_calls=False,
    )
    assert body["system"] == [{"type": "text", "text": "be brief"}]
    asked, said, told = body["messages"]
    assert asked == {
        "role": "user",
        "content": [{"type": "text", "text": "what is f?"}],
    }
    assert said == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ],
    }
    # Results and what the user says next are one turn there.
    assert told == {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [{"type": "text", "text": "it is 2"}],
            },
            {"type": "text", "text": "say it"},
        ],
    }
    assert body["tools"] == [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}}
    ]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"chat_template_kwargs": {"enable_thinking": True}},
            {"thinking": {"type": "adaptive"}},
        ),
        (
            {"chat_template_kwargs": {"enable_thinking": False}},
            {"thinking": {"type": "disabled"}},
        ),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "object"}},
                }
            },
            {
                "output_config": {
                    "format": {"type": "json_schema", "schema": {"type": "object"}}
                }
            },
        ),
    ],
)
def test_what_it_says_in_other_words(
    fields: dict[str, Any], said: dict[str, Any]
) -> None:
    body = sent(**fields)
    assert {name: body[name] for name in said} == said


def test_a_model_that_cannot_choose_is_told_how_much_to_think() -> None:
    envelope = Envelope("m", "a", 9000, options={"thinking_budget_tokens": "2048"})
    body = sent(
        envelope=envelope,
        chat_template_kwargs={"enable_thinking": True},
        include_reasoning=False,
    )
    assert body["thinking"] == {
        "type": "enabled",
        "budget_tokens": 2048,
        "display": "omitted",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"seed": 1},
        {"logprobs": True},
        {"frequency_penalty": 0.5},
        {"response_format": {"type": "json_object"}},
        {"chat_template_kwargs": {"other": 1}},
        {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "x"},
        {"messages": [{"role": "function", "name": "f", "content": "x"}]},
    ],
)
def test_what_it_has_no_words_for_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        sent(**fields)


def test_pictures_go_as_they_were_given() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
    ]
    request = request_of()
    payload = {**request.payload, "messages": [{"role": "user", "content": parts}]}
    body = orjson.loads(BACKEND.call(replace(request, payload=payload), ENVELOPE).body)[
        "messages"
    ][0]["content"]
    assert [part["source"] for part in body] == [
        {"type": "base64", "media_type": "image/png", "data": "QUJD"},
        {"type": "url", "url": "https://x/y.png"},
    ]


def test_signed_thinking_goes_back_and_other_reasoning_does_not() -> None:
    signed = {"type": "thinking", "thinking": "t", "signature": "s"}
    message = {"role": "assistant", "content": "c", "reasoning": "t"}
    turns = [*HELLO, {**message, "thinking_blocks": [{**signed, "x": 1}]}, *HELLO]
    assert sent(messages=turns)["messages"][1]["content"] == [
        signed,
        {"type": "text", "text": "c"},
    ]
    assert sent(messages=[*HELLO, message, *HELLO])["messages"][1]["content"] == [
        {"type": "text", "text": "c"}
    ]


def test_prompts_are_counted_by_the_engine() -> None:
    asked = BACKEND.prompt_calls(request_of(temperature=1), model="m")
    assert asked is not None
    [call] = asked.calls
    assert call.path == "/v1/messages/count_tokens"
    assert orjson.loads(call.body).keys() == {"model", "messages"}
    assert BACKEND.prompt_tokens(b'{"input_tokens":14}') == 14
    for body in (b"x", b"[]", b"{}", b'{"input_tokens":0}'):
        with pytest.raises(UsageError):
            BACKEND.prompt_tokens(body)
    refused = request_of(chat_template_kwargs={"other": 1})
    assert BACKEND.prompt_calls(refused, model="m") is None
    text = parse(Surface.COMPLETIONS, orjson.dumps({"model": "m", "prompt": "Hi"}))
    assert BACKEND.prompt_calls(text, model="m") is None


# What it answers ---------------------------------------------------------------------


def read(name: str, parts: list[bytes] | None = None) -> list[bytes]:
    reader = BACKEND.reader(request_of(stream=True), ENVELOPE)
    data = [(CAPTURES / f"{name}.sse").read_bytes()] if parts is None else parts
    return [event for part in data for event in reader.feed(part)]


def put_together(events: list[bytes]) -> tuple[dict[str, Any], TokenCounts]:
    """Return the whole answer that the events make, and what was counted of them."""
    translator = StreamTranslator(StreamOptions(1, False, False))
    reassembly = Reassembly()
    for event in events:
        translator.feed([event])
        assert translator.failure is None
        reassembly.add(event)
    assert translator.is_complete
    assert translator.is_whole
    answer = reassembly.answer(usage=reassembly.usage or {})
    return answer["choices"][0], translator.tally.counts()


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.sse")), ids=lambda p: p.stem)
def test_a_stream_is_read_the_same_wherever_it_is_cut(path: Path) -> None:
    data = path.read_bytes()
    whole = read(path.stem)
    for place in range(len(data) + 1):
        assert read(path.stem, [data[:place], data[place:]]) == whole
    for size in (1, 2, 3, 7):
        bounds = [*range(0, len(data), size), len(data)]
        assert read(path.stem, [data[a:b] for a, b in pairwise(bounds)]) == whole


def test_a_text() -> None:
    choice, counts = put_together(read("text"))
    assert choice["message"]["content"] == "Good morning – ça va?"
    assert choice["finish_reason"] == "stop"
    assert counts == TokenCounts(input_tokens=25, output_tokens=15)


def test_tools_and_a_prompt_that_was_partly_cached() -> None:
    choice, counts = put_together(read("tools"))
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "I look it up."
    called = [call["function"] for call in choice["message"]["tool_calls"]]
    assert called == [
        {"name": "get_weather", "arguments": '{"city": "Nice"}'},
        {"name": "get_time", "arguments": "{}"},
    ]
    assert counts == TokenCounts(
        input_tokens=572, cached_input_tokens=28, output_tokens=89
    )


def test_thinking_is_reasoning_and_stays_signed() -> None:
    choice, counts = put_together(read("thinking"))
    assert choice["message"]["reasoning"] == "27 is 3 times 9."
    assert choice["message"]["content"] == "It is 27."
    assert choice["message"]["thinking_blocks"] == [
        {
            "type": "thinking",
            "thinking": "27 is 3 times 9.",
            "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h",
        },
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
    ]
    assert counts.reasoning_tokens == 44


def test_a_text_of_the_client_s_that_ended_it() -> None:
    choice, _ = put_together(read("stop_sequence"))
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "three")


def test_the_length_of_the_prompt_is_known_from_the_first_event() -> None:
    translator = StreamTranslator(StreamOptions(1, False, False))
    translator.feed(read("tools")[:1])
    assert translator.tally.counts() == TokenCounts(
        input_tokens=572, cached_input_tokens=28
    )
    translator.feed(read("tools")[1:4])
    # The answer's is not, and the text is kept until it is.
    assert translator.tally.counts().output_tokens == 0
    assert translator.transcript.uncovered_bytes == len("I look it up.")


def test_an_error_in_mid_stream_says_that_it_is_for_now() -> None:
    translator = StreamTranslator(StreamOptions(1, False, False))
    translator.feed(read("overloaded"))
    assert isinstance(translator.failure, EngineOverloaded)


@pytest.mark.parametrize(
    "event",
    [
        b"data: x",
        b"data: []",
        b'data: {"type":"message_start"}',
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":-1}}',
    ],
)
def test_what_is_no_answer_ends_the_stream_behind_what_came_before(
    event: bytes,
) -> None:
    text = b'data: {"type":"content_block_delta","delta":%b}\n\n' % (
        orjson.dumps({"type": "text_delta", "text": "a"})
    )
    translator = StreamTranslator(StreamOptions(1, False, False))
    out = translator.feed(read("", [text + event + b"\n\n"]))
    assert b'"content":"a"' in out
    assert isinstance(translator.failure, EngineFailed)


def test_what_is_not_known_is_passed_over() -> None:
    assert read("", [b'data: {"type":"news"}\n\ndata: {"type":7}\n\n']) == []


def test_a_whole_answer() -> None:
    body = {
        "type": "message",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 9},
    }
    answer = orjson.loads(BACKEND.answer(orjson.dumps(body), request_of(), ENVELOPE))
    [choice] = answer["choices"]
    assert answer["model"] == "claude-example-1"
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "ab"
    assert choice["message"]["reasoning"] == "t"
    assert choice["message"]["tool_calls"] == [
        {**CALL, "function": {"name": "f", "arguments": '{"a":1}'}}
    ]
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 9,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    for broken in (b"x", b"[]", b'{"type":"message"}'):
        with pytest.raises(StreamFormatError):
            BACKEND.answer(broken, request_of(), ENVELOPE)


@pytest.mark.parametrize(
    ("status", "kind", "message", "error"),
    [
        (400, "invalid_request_error", "max_tokens: bad", InvalidRequest),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
            ContextLengthExceeded,
        ),
        (401, "authentication_error", "invalid x-api-key", EngineFailed),
        (402, "billing_error", "no credit", EngineFailed),
        (404, "not_found_error", "model: m", EngineFailed),
        (413, "request_too_large", "too large", InvalidRequest),
        (429, "rate_limit_error", "slow down", EngineOverloaded),
        (500, "api_error", "internal", EngineFailed),
        (529, "overloaded_error", "Overloaded", EngineOverloaded),
    ],
)
def test_errors_are_in_our_words(
    status: int, kind: str, message: str, error: type[Exception]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    said = BACKEND.error(status, orjson.dumps(body))
    assert type(said) is error
    if status in {401, 402, 404}:
        assert message not in said.message
