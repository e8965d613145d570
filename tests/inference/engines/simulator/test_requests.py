"""Reading a request: how long the answer will be, and why it will end."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from inference.engines.simulator.errors import Refusal
from inference.engines.simulator.requests import (
    CHOICES_MAX,
    Choice,
    Order,
    read_chat,
    read_completion,
)
from inference.engines.simulator.settings import Behaviour
from inference.engines.simulator.tokens import MESSAGE_MARKERS, REPLY_MARKERS

BEHAVIOUR = Behaviour(answer_tokens=30, context_tokens=100)
FRAME = len(MESSAGE_MARKERS) + len(REPLY_MARKERS)


def chat(*, behaviour: Behaviour = BEHAVIOUR, words: int = 3, **fields: Any) -> Order:
    """Read a chat of `words` words."""
    message = {"role": "user", "content": "w " * words}
    body = orjson.dumps({"messages": [message], **fields})
    return read_chat(body, behaviour=behaviour)


def completion(*, prompt: Any = "one two", **fields: Any) -> Order:
    """Read a completion."""
    body = orjson.dumps({"prompt": prompt, **fields})
    return read_completion(body, behaviour=BEHAVIOUR)


@pytest.mark.parametrize(
    ("asked", "length", "finish"),
    [(None, 8, "stop"), (80, 8, "stop"), (8, 8, "stop"), (7, 7, "length")],
)
def test_no_answer_is_longer_than_the_longest(
    asked: int | None, length: int, finish: str
) -> None:
    brief = replace(BEHAVIOUR, answer_tokens_max=8)
    [choice] = chat(behaviour=brief, max_tokens=asked).choices
    assert (choice.tokens, choice.finish_reason) == (length, finish)


@pytest.mark.parametrize(
    ("fields", "tokens", "reason"),
    [
        ({}, 30, "stop"),
        ({"max_tokens": 30}, 30, "length"),
        ({"max_tokens": 7}, 7, "length"),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 9, "length"),
        ({"max_tokens": None}, 30, "stop"),
        ({"max_tokens": 100}, 90, "length"),
        ({"words": 80}, 13, "length"),
    ],
)
def test_the_length_of_a_chat_answer(
    fields: dict[str, Any], tokens: int, reason: str
) -> None:
    (choice,) = chat(**fields).choices
    assert (choice.tokens, choice.finish_reason) == (tokens, reason)


def test_a_completion_without_a_limit_has_sixteen_tokens() -> None:
    assert completion().choices == (Choice(2, 16, "length"),)


def test_the_context_holds_prompt_and_answer_exactly() -> None:
    assert chat(words=99 - FRAME).choices == (Choice(99, 1, "length"),)
    for words, counted in ((100 - FRAME, 100), (101 - FRAME, 101), (400, 101)):
        with pytest.raises(Refusal) as refused:
            chat(words=words)
        error = refused.value.body["error"]
        assert error["param"] == "input_tokens"
        assert error["message"].endswith(f"(parameter=input_tokens, value={counted})")


@pytest.mark.parametrize(
    ("prompt", "lengths"),
    [
        ("a b c", [3]),
        ("", [1]),
        ([5, 6, 7], [3]),
        (["a b", "c"], [2, 1]),
        ([[1, 2], [3]], [2, 1]),
    ],
)
def test_prompts_of_every_kind_are_counted(prompt: Any, lengths: list[int]) -> None:
    order = completion(prompt=prompt, n=2)
    assert order.prompt_tokens == sum(lengths)
    doubled = [length for length in lengths for _ in range(2)]
    assert [choice.prompt_tokens for choice in order.choices] == doubled


@pytest.mark.parametrize("prompt", [None, [], {}, 3, ["a", 3], [[]], [[], [1]], [True]])
def test_a_prompt_that_is_none_is_refused(prompt: Any) -> None:
    with pytest.raises(Refusal) as refused:
        completion(prompt=prompt)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (None, (False, False)),
        ({}, (False, False)),
        ({"include_usage": True}, (True, False)),
        ({"continuous_usage_stats": True}, (False, False)),
        ({"include_usage": True, "continuous_usage_stats": True}, (True, True)),
    ],
)
def test_usage_is_reported_where_it_was_asked_for(
    options: Any, wanted: tuple[bool, bool]
) -> None:
    order = chat(stream=True, stream_options=options)
    assert (order.include_usage, order.running_usage) == wanted
    forced = Behaviour(force_include_usage=True)
    order = chat(behaviour=forced, stream=True, stream_options=options)
    assert (order.include_usage, order.running_usage) == (True, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 0},
        {"n": CHOICES_MAX + 1},
        {"n": "2"},
        {"max_tokens": "many"},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"max_completion_tokens": 0},
        {"max_completion_tokens": 101},
        {"temperature": "hot"},
        {"temperature": -0.1},
        {"model": 7},
        {"stream": True, "stream_options": 3},
        {"messages": "hello"},
        {"messages": ["hello"]},
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_name(fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        chat(**fields)
    error = refused.value.body["error"]
    assert error["code"] == refused.value.status == 400
    assert list(fields)[-1] in error["param"]


@pytest.mark.parametrize("read", [chat, completion])
def test_a_salt_is_taken_as_vllm_takes_it(read: Callable[..., Order]) -> None:
    for salt in (None, "a", "x" * 128, "\N{LATIN SMALL LETTER U WITH DIAERESIS} :-"):
        assert read(cache_salt=salt).cache_salt == salt
    wrong: list[Any] = ["", 3, ["a"], True, "x" * 129, "a@b", "a/b", "a\\b", "a\0"]
    for refusable in wrong:
        with pytest.raises(Refusal) as refused:
            read(cache_salt=refusable)
        error = refused.value.body["error"]
        assert (refused.value.status, error["param"]) == (400, "cache_salt")
        assert error["type"] == "BadRequestError"
        assert error["message"].startswith("Parameter 'cache_salt' must ")
        assert error["message"].endswith(" (parameter=cache_salt)")


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[1]", b"3", b"[" * 100_000, b'{"messages":[}']
)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_chat(body, behaviour=BEHAVIOUR)
    assert refused.value.status == 400


def test_json_that_only_the_standard_library_takes_is_taken() -> None:
    body = b'{"prompt": "a \\ud800", "zzz": NaN}'
    assert read_completion(body, behaviour=BEHAVIOUR).prompt_tokens == 2
