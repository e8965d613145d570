"""Items become the messages of a chat; what cannot become one is refused by name."""

from typing import Any

import pytest

from inference.openai.responses.items import messages_of
from kit.errors import InvalidRequest

Json = dict[str, Any]


def chat(*items: Any, instructions: Any = None) -> list[Json]:
    """Return the messages that these items are."""
    return messages_of(list(items), instructions=instructions)


def said(role: str, *parts: Json, **more: Any) -> Json:
    """Return an item of a message."""
    return {"type": "message", "role": role, "content": list(parts), **more}


def words(text: str, kind: str = "input_text") -> Json:
    """Return a part of text."""
    return {"type": kind, "text": text}


def called(call_id: str, *, name: str = "f", arguments: str = "{}") -> Json:
    """Return the item of a call."""
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def in_a_chat(call_id: str) -> Json:
    """Return the same call as a chat has it."""
    function = {"name": "f", "arguments": "{}"}
    return {"id": call_id, "type": "function", "function": function}


def thought(*texts: str, **more: Any) -> Json:
    """Return the item of reasoning."""
    content = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content} | more


def test_a_text_is_the_user_s_behind_the_instructions() -> None:
    assert messages_of("hi", instructions="be kind") == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
    ]


def test_messages_of_every_role() -> None:
    assert chat(
        {"role": "developer", "content": "d"},
        {"role": "system", "content": "s"},
        said("user", words("a"), words("b")),
        said("user", words("alone")),
        said("assistant", words("x", "output_text"), words("y", "output_text")),
        said("assistant", {"type": "refusal", "refusal": "no"}),
        {"role": "user", "content": []},
    ) == [
        {"role": "system", "content": "d"},
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {"role": "user", "content": "alone"},
        {"role": "assistant", "content": "xy"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": ""},
    ]


def test_what_the_assistant_did_in_one_turn_is_one_message() -> None:
    assert chat(
        thought("because", "so"),
        said("assistant", words("let me see", "output_text")),
        called("c1"),
        called("c2"),
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": [words("2")]},
        thought("again"),
        called("c3"),
    ) == [
        {
            "role": "assistant",
            "content": "let me see",
            "reasoning": "because\nso",
            "tool_calls": [in_a_chat("c1"), in_a_chat("c2")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {
            "role": "assistant",
            "content": None,
            "reasoning": "again",
            "tool_calls": [in_a_chat("c3")],
        },
    ]


def test_new_thoughts_and_words_begin_a_new_turn() -> None:
    first = {"role": "assistant", "content": "one"}
    second = {"role": "assistant", "content": None, "reasoning": "hm"}
    assert chat(
        {"role": "assistant", "content": "one"}, thought("hm"), called("c")
    ) == [first, second | {"tool_calls": [in_a_chat("c")]}]
    assert len(chat(called("c"), {"role": "assistant", "content": "done"})) == 2


def test_a_summary_stands_for_thoughts_that_are_not_there() -> None:
    summary = [{"type": "summary_text", "text": "in short"}]
    encrypted = thought(summary=summary, encrypted_content="x")
    assert chat(encrypted, {"role": "assistant", "content": "a"}) == [
        {"role": "assistant", "content": "a", "reasoning": "in short"}
    ]


def test_thoughts_that_led_to_nothing_are_left_out() -> None:
    user = {"role": "user", "content": "and?"}
    last = {"role": "assistant", "content": "a"}
    assert chat(thought("lost"), user, last, thought("too")) == [user, last]


def test_images_are_passed_on() -> None:
    image = {"type": "input_image", "image_url": "data:x", "detail": "low"}
    [message] = chat(said("user", words("see"), image))
    assert message["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "data:x", "detail": "low"},
    }


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (5, "input[0]"),
        ({}, "input[0].type"),
        ({"type": ["x"]}, "input[0].type"),
        ({"type": "item_reference", "id": "msg_1"}, "input[0]"),
        ({"id": "msg_1"}, "input[0]"),
        ({"type": "web_search_call", "id": "x"}, "input[0].type"),
        ({"type": "custom_tool_call", "id": "x"}, "input[0].type"),
        ({"role": "tool", "content": "x"}, "input[0].role"),
        ({"role": ["user"], "content": "x"}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "user", "content": 5}, "input[0].content"),
        (said("user", 5), "input[0].content[0]"),  # type: ignore[arg-type]
        (said("user", {"type": "input_text"}), "input[0].content[0].text"),
        (said("user", {"type": "input_file"}), "input[0].content[0].type"),
        (
            said("user", {"type": "input_image", "file_id": "f"}),
            "input[0].content[0].file_id",
        ),
        (said("user", {"type": "input_image"}), "input[0].content[0].image_url"),
        (
            said("assistant", {"type": "input_image", "image_url": "x"}),
            "input[0].content",
        ),
        ({"type": "function_call", "call_id": "c"}, "input[0].name"),
        ({"type": "function_call_output", "output": ""}, "input[0].call_id"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0].output"),
    ],
)
def test_each_refusal_names_its_item(item: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(item)
    assert refused.value.param == param


@pytest.mark.parametrize("given", [None, [], 5, {}])
def test_there_must_be_an_input(given: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        messages_of(given, instructions=None)
    assert refused.value.param == "input"
