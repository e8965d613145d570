"""Defaults: what a served model may be given, checked when it is set."""

from typing import Any

import pytest

from inference.openai.defaults import ALLOWED, check_defaults, defaults_for
from inference.openai.tasks import Task
from kit.errors import InvalidRequest

GOOD: dict[str, Any] = {
    "chat_template_kwargs": {"enable_thinking": False},
    "frequency_penalty": -0.5,
    "include_reasoning": True,
    "min_p": 0,
    "presence_penalty": 1,
    "reasoning_effort": "low",
    "repetition_penalty": 1.05,
    "seed": 7,
    "skip_special_tokens": False,
    "stop": ["END", "STOP"],
    "stop_token_ids": [2],
    "temperature": 0.6,
    "top_k": -1,
    "top_p": 0.95,
}


def test_each_is_taken_alone_and_with_all_others() -> None:
    assert GOOD.keys() == ALLOWED.keys()
    check_defaults({})
    check_defaults(GOOD)
    check_defaults({"stop": "END"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": "hot"},
        {"temperature": True},
        {"temperature": float("nan")},
        {"temperature": None},
        {"seed": 1.5},
        {"seed": 2**64},
        {"stop": []},
        {"stop": ["a"] * 17},
        {"stop": [1]},
        {"stop": ""},
        {"stop_token_ids": ["a"]},
        {"chat_template_kwargs": []},
        {"include_reasoning": 1},
        {"reasoning_effort": ""},
        {"n": 2},
        {"max_tokens": 5},
        {"messages": []},
        {"cache_salt": "mine"},
        [],
        "temperature",
    ],
)
def test_what_engines_or_we_would_refuse_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_defaults(wrong)
    assert refused.value.param == "defaults"


def test_what_nests_too_deep_for_a_request_does_for_a_default() -> None:
    nested: Any = {}
    for _ in range(100):
        nested = {"a": nested}
    with pytest.raises(InvalidRequest):
        check_defaults({"chat_template_kwargs": nested})


def test_a_task_gets_what_it_knows() -> None:
    assert defaults_for(Task.CHAT, GOOD) == GOOD
    of_completions = defaults_for(Task.COMPLETION, GOOD)
    assert GOOD.keys() - of_completions.keys() == {
        "chat_template_kwargs",
        "include_reasoning",
        "reasoning_effort",
    }
    assert defaults_for(Task.EMBEDDING, GOOD) == {}
