"""What an engine compiles or renders is bounded before it gets there."""

from typing import Any

import orjson
import pytest

from inference.openai.guards import (
    BIASES_MAX,
    SCHEMA_BYTES_MAX,
    SCHEMA_DEPTH_MAX,
    STOP_CHARS_MAX,
    STOP_TOKENS_MAX,
    STOPS_MAX,
    TEMPLATE_ARGUMENTS_MAX,
    TEMPLATE_TEXT_CHARS_MAX,
    TOOLS_MAX,
)
from inference.openai.requests import parse
from kit.contracts import Surface
from kit.errors import InvalidRequest

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
USER = {"role": "user", "content": "x"}


def chat(**fields: Any) -> dict[str, Any]:
    """Return what is forwarded of a chat with these fields."""
    body = orjson.dumps({"model": "m", "messages": [USER], **fields})
    return parse(Surface.CHAT_COMPLETIONS, body).payload


def nested(depth: int) -> dict[str, Any]:
    """Return an object of so many levels."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def sized(size: int) -> dict[str, str]:
    """Return an object of so many bytes."""
    return {"a": "x" * (size - len(b'{"a":""}'))}


LARGEST: list[tuple[str, Any, Any]] = [
    ("tools", [TOOL] * TOOLS_MAX, [TOOL] * (TOOLS_MAX + 1)),
    ("stop", ["x"] * STOPS_MAX, ["x"] * (STOPS_MAX + 1)),
    ("stop", "x" * STOP_CHARS_MAX, "x" * (STOP_CHARS_MAX + 1)),
    ("stop_token_ids", [1] * STOP_TOKENS_MAX, [1] * (STOP_TOKENS_MAX + 1)),
    (
        "logit_bias",
        {str(n): 1 for n in range(BIASES_MAX)},
        {str(n): 1 for n in range(BIASES_MAX + 1)},
    ),
    ("response_format", nested(SCHEMA_DEPTH_MAX), nested(SCHEMA_DEPTH_MAX + 2)),
    ("response_format", sized(SCHEMA_BYTES_MAX), sized(SCHEMA_BYTES_MAX + 1)),
    ("structured_outputs", sized(SCHEMA_BYTES_MAX), sized(SCHEMA_BYTES_MAX + 1)),
    ("structured_outputs", {"regex": "a"}, nested(SCHEMA_DEPTH_MAX + 2)),
    (
        "chat_template_kwargs",
        {f"a{n}": True for n in range(TEMPLATE_ARGUMENTS_MAX)},
        {f"a{n}": True for n in range(TEMPLATE_ARGUMENTS_MAX + 1)},
    ),
]


@pytest.mark.parametrize(("name", "largest", "larger"), LARGEST)
def test_the_largest_goes_through_and_a_larger_one_does_not(
    name: str, largest: Any, larger: Any
) -> None:
    assert chat(**{name: largest})[name] == largest
    with pytest.raises(InvalidRequest) as refused:
        chat(**{name: larger})
    assert refused.value.param == name
    assert name in refused.value.message


@pytest.mark.parametrize("tool", [sized(SCHEMA_BYTES_MAX + 1), nested(40)])
def test_a_tool_that_is_too_much_is_named(tool: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(tools=[TOOL, tool])
    assert refused.value.param == "tools[1]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", {}),
        ("stop", 5),
        ("stop", ["a", 5]),
        ("stop_token_ids", 5),
        ("stop_token_ids", [True]),
        ("logit_bias", []),
        ("logit_bias", {"1": "x"}),
        ("logit_bias", {"1": True}),
        ("chat_template_kwargs", []),
    ],
)
def test_what_is_of_another_kind_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(**{name: value})
    assert refused.value.param == name


@pytest.mark.parametrize(
    "name",
    ["add_generation_prompt", "chat_template", "continue_final_message", "conversation",
     "documents", "max_length", "messages", "padding", "return_dict", "return_tensors",
     "return_assistant_tokens_mask", "tokenize", "tokenizer_kwargs", "tools",
     "truncation", "__class__", "A", ""],
)  # fmt: skip
def test_a_template_s_arguments_do_not_reach_what_renders_it(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(chat_template_kwargs={name: True})
    assert refused.value.code == "unsupported_parameter"
    assert refused.value.param == f"chat_template_kwargs.{name}"


@pytest.mark.parametrize("value", [[], {}, "x" * (TEMPLATE_TEXT_CHARS_MAX + 1)])
def test_a_template_s_argument_is_a_plain_value(value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(chat_template_kwargs={"enable_thinking": value})
    assert refused.value.param == "chat_template_kwargs.enable_thinking"


def test_what_models_are_asked_with_goes_through() -> None:
    arguments = {"enable_thinking": False, "thinking_budget": 9, "effort": "low"}
    assert chat(chat_template_kwargs=arguments)["chat_template_kwargs"] == arguments
