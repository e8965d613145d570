"""What may be asked: each field's place in the chat, and each refusal's name."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from openai.types.responses import Response

from inference.openai.requests import GenerationRequest
from inference.openai.responses.requests import parse, read
from inference.openai.tasks import Task
from kit.contracts import Surface
from kit.errors import InvalidRequest
from tests.inference.openai.chats import JSON
from tests.inference.openai.responses.reading import COUNTS, Json, asked

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "How it is",
    "parameters": {"type": "object"},
    "strict": True,
}
CLOCK = {"type": "function", "name": "clock", "parameters": None, "strict": None}
IN_A_CHAT = [
    {"type": "function", "function": {k: v for k, v in WEATHER.items() if k != "type"}},
    {"type": "function", "function": {"name": "clock"}},
]
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}


def response(request: GenerationRequest) -> Json:
    """Return the response that says nothing, as the SDK takes it."""
    shown = request.shape.answer({"choices": [{}]}, COUNTS)
    Response.model_validate(shown, strict=True)
    return shown


def test_the_least_request() -> None:
    request = parse(b'{"model":"m","input":"hello"}')
    assert (request.surface, request.task) == (Surface.RESPONSES, Task.CHAT)
    assert request.payload == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
    }
    assert not request.stream
    assert request.output_tokens_max is None
    shown = response(request)
    assert shown["id"].startswith("resp_")
    assert shown["store"] is False
    assert shown["tool_choice"] == "auto"
    assert shown["temperature"] is None


def test_each_response_has_an_id_of_its_own() -> None:
    body = b'{"model":"m","input":"hello"}'
    assert response(parse(body))["id"] != response(parse(body))["id"]


@pytest.mark.parametrize(
    ("fields", "chat", "shown"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}, {"temperature": 0.5}),
        ({"top_p": 1}, {"top_p": 1}, {"top_p": 1}),
        (
            {"parallel_tool_calls": False},
            {"parallel_tool_calls": False},
            {"parallel_tool_calls": False},
        ),
        ({"seed": 5, "top_k": 3}, {"seed": 5, "top_k": 3}, {}),
        (
            {"reasoning": {"effort": "low", "summary": "auto"}},
            {"reasoning_effort": "low"},
            {"reasoning": {"effort": "low", "summary": None}},
        ),
        (
            {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
            {"logprobs": True, "top_logprobs": 2},
            {"top_logprobs": 2},
        ),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}, {}),
        ({"include": ["reasoning.encrypted_content"]}, {}, {}),
        ({"top_logprobs": 2}, {}, {"top_logprobs": 2}),
        ({"stream": True}, {"stream": True}, {}),
        ({"stream": True, "stream_options": {"include_obfuscation": True}},
         {"stream": True}, {}),
        ({"metadata": {"a": "b"}}, {}, {"metadata": {"a": "b"}}),
        ({"user": "u", "safety_identifier": "s", "prompt_cache_key": "p"}, {},
         {"user": "u", "safety_identifier": "s", "prompt_cache_key": "p"}),
        ({"store": True}, {}, {"store": False}),
        ({"truncation": "auto"}, {}, {"truncation": "disabled"}),
        ({"service_tier": "flex"}, {}, {"service_tier": "default"}),
        ({"client_metadata": {"turn_id": "t"}}, {}, {}),
        ({"max_tool_calls": 3}, {}, {"max_tool_calls": 3}),
        ({"background": False, "previous_response_id": None, "conversation": None},
         {}, {"background": False}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {},
         {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ({"text": {"format": {"type": "json_object"}}},
         {"response_format": {"type": "json_object"}},
         {"text": {"format": {"type": "json_object"}}}),
        ({"text": {"format": {**SCHEMA, "strict": True}}},
         {"response_format": {"type": "json_schema", "json_schema": {
             "name": "n", "schema": {"type": "object"}, "strict": True}}},
         {"text": {"format": {**SCHEMA, "strict": True}}}),
        ({"tools": [WEATHER, CLOCK]}, {"tools": IN_A_CHAT},
         {"tools": [WEATHER, {**CLOCK, "description": None}]}),
        ({"tools": [], "tool_choice": "auto"}, {}, {"tools": []}),
        ({"tools": [WEATHER, CLOCK], "tool_choice": "required"},
         {"tools": IN_A_CHAT, "tool_choice": "required"},
         {"tool_choice": "required"}),
        ({"tools": [CLOCK, WEATHER],
          "tool_choice": {"type": "function", "name": "clock"}},
         {"tools": IN_A_CHAT[::-1],
          "tool_choice": {"type": "function", "function": {"name": "clock"}}},
         {"tool_choice": {"type": "function", "name": "clock"}}),
        ({"tools": [CLOCK, WEATHER],
          "tool_choice": {"type": "allowed_tools", "mode": "required",
                          "tools": [{"type": "function", "name": "weather"}]}},
         {"tools": IN_A_CHAT[:1], "tool_choice": "required"}, {}),
    ],
)  # fmt: skip
def test_each_field_has_its_place(fields: Json, chat: Json, shown: Json) -> None:
    request = asked(**fields)
    messages = [{"role": "user", "content": "hello"}]
    assert request.payload == {"model": "m", "messages": messages, **chat}
    answered = response(request)
    assert {name: answered[name] for name in shown} == shown


def test_the_most_output_is_asked_for_beside_the_chat() -> None:
    request = asked(max_output_tokens=9)
    assert request.output_tokens_max == 9
    assert response(request)["max_output_tokens"] == 9
    assert "max_completion_tokens" not in request.payload


def test_instructions_come_first_and_are_shown() -> None:
    request = asked(instructions="be brief")
    assert request.payload["messages"][0] == {"role": "system", "content": "be brief"}
    assert response(request)["instructions"] == "be brief"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"instructions": ["x"]}, "instructions"),
        ({"messages": []}, "messages"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"priority": 1}, "priority"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"include": "x"}, "include"),
        ({"include": ["everything"]}, "include"),
        ({"include": [5]}, "include"),
        ({"reasoning": "low"}, "reasoning"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"metadata": {"a": 5}}, "metadata"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"user": 5}, "user"),
        ({"text": "json"}, "text"),
        ({"text": {"format": "json"}}, "text.format.type"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"text": {"format": {**SCHEMA, "name": 5}}}, "text.format.name"),
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools[0].type"),
        ({"tools": [CLOCK, {"type": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "custom", "name": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].type"),
        ({"tools": [{**CLOCK, "name": ""}]}, "tools[0].name"),
        ({"tools": [{**CLOCK, "parameters": "x"}]}, "tools[0].parameters"),
        ({"tools": [{**CLOCK, "description": 5}]}, "tools[0].description"),
        ({"tools": [{**CLOCK, "strict": "x"}]}, "tools[0].strict"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "clock"}}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [5]}},
            "tool_choice.tools",
        ),
        ({"input": [{"role": "user", "content": "x"}] * 2049}, "input"),
    ],
)
def test_each_refusal_names_its_field(fields: Json, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert refused.value.param == param
    assert "messages" not in refused.value.message or param == "messages"


@pytest.mark.parametrize("kind", ["web_search", "file_search", "mcp", "custom"])
def test_a_tool_that_is_not_run_here_is_named(kind: str) -> None:
    with pytest.raises(InvalidRequest, match=f"'{kind}'") as refused:
        asked(tools=[{"type": kind}])
    assert refused.value.code == "unsupported_tool"


FIELDS = (
    "include", "input", "instructions", "max_output_tokens", "max_tool_calls",
    "metadata", "parallel_tool_calls", "reasoning", "stream", "stream_options",
    "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "user",
)  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
@given(value=JSON)
def test_whatever_a_field_holds_is_read_or_refused(name: str, value: Any) -> None:
    body = orjson.dumps({"model": "m", "input": "x", name: value})
    try:
        request = parse(body)
    except InvalidRequest:
        return
    orjson.dumps(request.payload)
    orjson.dumps(request.shape.answer({"choices": [{}]}, COUNTS))


@given(item=JSON, part=JSON, tool=JSON)
def test_whatever_an_item_holds_is_read_or_refused(
    item: Any, part: Any, tool: Any
) -> None:
    for given_input in ([item], [{"role": "user", "content": [part]}]):
        payload = {"model": "m", "input": given_input, "tools": [tool]}
        for fields in (payload, {**payload, "tools": None}):
            try:
                read(fields, key="k")
            except InvalidRequest:
                continue
