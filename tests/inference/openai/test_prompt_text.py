"""A prompt's bytes: what is appended to a conversation is appended to them."""

from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.anthropic.requests import parse as parse_messages
from inference.openai.pooling import embedding_request
from inference.openai.prompt_text import Opening, opening_of, prompt_text
from tests.inference.openai.chats import (
    CHATS,
    COMPLETIONS,
    JSON,
    MESSAGES,
    TEXT,
    chat,
    completion,
)

PNG = b"\x89PNG\r\n\x1a\n"
_CHATS = st.lists(MESSAGES, min_size=1, max_size=5)
_TOOLS = st.none() | st.lists(JSON, max_size=3)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def of(*messages: dict[str, Any], **fields: Any) -> bytes:
    return prompt_text(chat(list(messages), **fields))


def picture(data: bytes) -> dict[str, Any]:
    url = f"data:image/png;base64,{b64encode(PNG + data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


@given(before=_CHATS, after=_CHATS, tools=_TOOLS)
def test_a_longer_conversation_begins_with_the_shorter(
    before: list[dict[str, Any]], after: list[dict[str, Any]], tools: Any
) -> None:
    shorter = of(*before, tools=tools)
    longer = of(*before, *after, tools=tools)
    assert longer.startswith(shorter)
    assert len(longer) > len(shorter)


@given(text=TEXT, more=TEXT)
def test_a_longer_text_begins_with_the_shorter(text: str, more: str) -> None:
    assert of(said("user", text + more)).startswith(of(said("user", text)))
    whole = prompt_text(completion(text + more))
    assert whole == (text + more).encode()
    assert whole.startswith(prompt_text(completion(text)))


@given(ids=st.lists(st.integers(0, 2**40), min_size=1), more=st.lists(st.integers(0)))
def test_more_tokens_begin_with_fewer(ids: list[int], more: list[int]) -> None:
    more = [each % 2**40 for each in more]
    longer, shorter = completion(ids + more), completion(ids)
    assert prompt_text(longer).startswith(prompt_text(shorter))


@given(messages=_CHATS, tools=_TOOLS)
def test_the_opening_stays_as_a_conversation_grows(
    messages: list[dict[str, Any]], tools: Any
) -> None:
    first = [*messages, said("user", "what next?")]
    grown = [*first, said("assistant", "this"), said("user", "and then?")]
    before, after = of(*first, tools=tools), of(*grown, tools=tools)
    shared, size = opening_of(before)
    assert opening_of(after) == (shared, size)
    assert 0 <= shared < size <= len(before)


@given(CHATS | COMPLETIONS)
def test_every_request_has_one(request: Any) -> None:
    prompt = prompt_text(request)
    shared, size = opening_of(prompt)
    assert 0 <= shared <= size <= len(prompt)


def test_tools_and_system_prompt_come_first_and_are_shared() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    rules = said("system", "Answer in one word.")
    one = of(rules, said("user", "Why?"), tools=[tool])
    other = of(rules, said("user", "How?"), tools=[tool])
    assert one.index(b"look") < one.index(b"one word") < one.index(b"Why?")
    shared = opening_of(one).shared
    assert one[:shared] == other[:shared] != b""
    assert one[shared:].endswith(b"user\x1fWhy?")
    assert opening_of(one).size == len(one)


def test_the_order_of_names_says_nothing() -> None:
    tool = {"a": 1, "b": {"d": 1, "c": 2}}
    again = {"b": {"c": 2, "d": 1}, "a": 1}
    message = said("user", "hi")
    assert of(message, tools=[tool]) == of(message, tools=[again])


def test_a_text_is_the_same_in_parts() -> None:
    assert of(said("user", "hi")) == of(said("user", [{"type": "text", "text": "hi"}]))


@pytest.mark.parametrize(
    "other",
    [
        [said("system", "a"), said("user", "b")],
        [said("user", "ab")],
        [said("user", "a"), said("assistant", "b")],
        [said("user", "a"), said("user", "b", name="n")],
        [said("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])],
        [said("user", "a"), said("user", "b", tool_calls=[{"id": "1"}])],
    ],
)
def test_what_is_told_apart_differs(other: list[dict[str, Any]]) -> None:
    assert of(*other) != of(said("user", "a"), said("user", "b"))


def test_media_are_told_apart_and_not_written_out() -> None:
    filling = bytes(300_000)
    one, other = (
        of(said("user", [picture(filling + last), {"type": "text", "text": "?"}]))
        for last in (b"1", b"2")
    )
    assert one != other
    assert len(one) < 200
    address = {"type": "image_url", "image_url": {"url": "https://a.example/1.png"}}
    assert b"https://a.example/1.png" in of(said("user", [address]))


def test_other_surfaces_say_the_same() -> None:
    body = {
        "model": "m",
        "max_tokens": 5,
        "system": "Be brief.",
        "messages": [said("user", "Why?")],
    }
    anthropic = prompt_text(parse_messages(orjson.dumps(body)))
    assert anthropic == of(said("system", "Be brief."), said("user", "Why?"))


def test_several_prompts_are_read_in_order() -> None:
    assert prompt_text(completion(["a", [1, 2], "b"])) == b"a\x1e1,2\x1eb"


def test_what_continues_nothing_has_none() -> None:
    body = orjson.dumps({"model": "m", "input": ["hi"]})
    assert prompt_text(embedding_request(body)) == b""


def test_a_text_s_opening_is_its_beginning() -> None:
    assert opening_of(b"x" * 5000) == opening_of(b"x" * 9000) == Opening(1024, 1024)
    assert opening_of(b"xy") == Opening(2, 2)
