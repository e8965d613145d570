"""A body of Anthropic's Messages API becomes the chat that an engine is asked for."""

from typing import Any

import orjson
import pytest

from inference.anthropic.requests import parse, parse_count
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from kit.contracts import Surface
from kit.errors import InvalidRequest

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "name": "f",
    "description": "d",
    "input_schema": {"type": "object"},
    "cache_control": {"type": "ephemeral"},
}


def read(**fields: Any) -> GenerationRequest:
    """Read a body of these fields over the least that there must be."""
    body = {"model": "m", "max_tokens": 9, "messages": HELLO, **fields}
    return parse(
        orjson.dumps({name: value for name, value in body.items() if value != ...})
    )


def messages(*turns: Any, **fields: Any) -> list[dict[str, Any]]:
    """Return the chat's messages of these turns."""
    found: list[dict[str, Any]] = read(messages=list(turns), **fields).payload[
        "messages"
    ]
    return found


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def test_the_least_that_there_must_be() -> None:
    request = read()
    assert (request.surface, request.task) == (Surface.MESSAGES, Task.CHAT)
    assert (request.model, request.stream, request.choices) == ("m", False, 1)
    assert request.output_tokens_max == 9
    assert request.payload == {"model": "m", "messages": HELLO}
    assert read(stream=True).stream


def test_what_means_something_to_anthropic_alone_is_dropped() -> None:
    dropped: dict[str, Any] = {
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "cache_control": {"type": "ephemeral"},
        "context_management": {"edits": []},
    }
    assert read(**dropped).payload == read().payload


def test_what_has_another_name_in_a_chat() -> None:
    payload = read(
        temperature=0.5, top_p=0.9, top_k=4, stop_sequences=["a", "b"]
    ).payload
    assert payload == {
        **read().payload,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "stop": ["a", "b"],
    }


def test_the_system_comes_first_and_may_be_blocks() -> None:
    first = {"role": "system", "content": "be brief"}
    assert messages(*HELLO, system="be brief")[0] == first
    cached = text("be brief", cache_control={"type": "ephemeral"})
    assert messages(*HELLO, system=[cached])[0] == first
    parts = messages(*HELLO, system=[cached, text("now")])[0]["content"]
    assert parts == [text("be brief"), text("now")]
    assert messages(*HELLO, {"role": "system", "content": "x"}, *HELLO)[1] == {
        "role": "system",
        "content": "x",
    }


def test_a_turn_with_results_becomes_a_message_for_each() -> None:
    said = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "r"},
            text("I look."),
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ],
    }
    told = user(
        {"type": "tool_result", "tool_use_id": "t1", "content": "two"},
        {
            "type": "tool_result",
            "tool_use_id": "t2",
            "is_error": True,
            "content": [text("no")],
        },
        text("go on"),
    )
    _, assistant, first, second, last = messages(*HELLO, said, told)
    assert assistant == {
        "role": "assistant",
        "content": "I look.",
        "reasoning": "hm",
        "thinking_blocks": said["content"][:2],
        "tool_calls": [
            {
                "id": "t1",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a":1}'},
            },
            {
                "id": "t2",
                "type": "function",
                "function": {"name": "g", "arguments": "{}"},
            },
        ],
    }
    assert first == {"role": "tool", "tool_call_id": "t1", "content": "two"}
    assert second == {"role": "tool", "tool_call_id": "t2", "content": "Error: no"}
    assert last == {"role": "user", "content": "go on"}


def test_unsigned_thinking_is_reasoning_and_no_more() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    [_, said, _] = messages(
        *HELLO, {"role": "assistant", "content": [thought, text("x")]}, *HELLO
    )
    assert said == {"role": "assistant", "content": "x", "reasoning": "hm"}


def test_a_result_without_content_and_one_that_stands_behind_a_text() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1"}
    assert messages(user(text("x"), result)) == [
        {"role": "user", "content": "x"},
        {"role": "tool", "tool_call_id": "t1", "content": ""},
    ]


def test_tools_and_who_chooses() -> None:
    payload = read(
        tools=[TOOL, {"type": "custom", **TOOL, "strict": True}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    ).payload
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    assert payload["tools"] == [
        {"type": "function", "function": function},
        {"type": "function", "function": {**function, "strict": True}},
    ]
    assert payload["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert payload["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("kind", "chosen"), [("auto", "auto"), ("any", "required"), ("none", "none")]
)
def test_a_choice_has_another_name(kind: str, chosen: str) -> None:
    payload = read(tools=[TOOL], tool_choice={"type": kind}).payload
    assert payload["tool_choice"] == chosen
    assert "parallel_tool_calls" not in payload


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"chat_template_kwargs": {"enable_thinking": True}},
        ),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            {
                "chat_template_kwargs": {"enable_thinking": True},
                "include_reasoning": False,
            },
        ),
        (
            {"thinking": {"type": "disabled"}},
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        ({"output_config": {"effort": "max"}}, {"reasoning_effort": "high"}),
        (
            {
                "output_config": {
                    "format": {"type": "json_schema", "schema": {"type": "object"}}
                }
            },
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "output",
                        "schema": {"type": "object"},
                        "strict": True,
                    },
                }
            },
        ),
    ],
)
def test_how_to_think_and_to_write(
    fields: dict[str, Any], said: dict[str, Any]
) -> None:
    assert read(max_tokens=2000, **fields).payload == {**read().payload, **said}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"max_tokens": ...}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": ...}, "model"),
        ({"seed": 1}, "seed"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
        ({"messages": [user({})]}, "messages[0].content[0].type"),
        (
            {"messages": [user({"type": "document", "source": {}})]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [user({"type": "image", "source": {"type": "file"}})]},
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": [*HELLO, {"role": "assistant", "content": [TOOL]}]},
            "messages[1].content[0].type",
        ),
        ({"messages": [*HELLO, {"role": "assistant", "content": "x"}]}, "messages"),
        ({"system": 1}, "system"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "tools[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            "thinking.budget_tokens",
        ),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"effort": "most"}}, "output_config.effort"),
        ({"output_config": {"speed": 1}}, "output_config.speed"),
        ({"output_config": {"format": {"type": "x"}}}, "output_config.format.type"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    fields: dict[str, Any], where: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == where
    # The error that Anthropic's clients see has no field for it.
    assert where in refused.value.message or where == "messages"


def test_a_count_wants_a_prompt_and_nothing_of_an_answer() -> None:
    body = {"model": "m", "messages": HELLO, "system": "x", "tools": [TOOL]}
    payload = parse_count(orjson.dumps(body)).payload
    assert payload.keys() == {"model", "messages", "tools"}
    said = [*HELLO, {"role": "assistant", "content": "x"}]
    assert parse_count(orjson.dumps({**body, "messages": said})).payload
    with pytest.raises(InvalidRequest):
        parse_count(orjson.dumps({**body, "max_tokens": 1}))
