"""What a request says of how it is to be served is read, and kept from engines."""

import orjson
import pytest

from inference.openai.hints import SESSION_CHARS_MAX, Hints, hints_of
from inference.openai.requests import parse
from kit.contracts import Surface
from kit.errors import InvalidRequest


@pytest.mark.parametrize(
    ("payload", "hints"),
    [
        ({}, Hints()),
        ({"service_tier": "auto"}, Hints(tier="default")),
        ({"service_tier": "flex"}, Hints(tier="flex")),
        ({"service_tier": "standard_only"}, Hints(tier="default")),
        ({"prompt_cache_key": "talk"}, Hints("talk")),
        ({"metadata": {"user_id": "talk"}}, Hints("talk")),
        ({"prompt_cache_key": "a", "metadata": {"user_id": "b"}}, Hints("a")),
        ({"prompt_cache_key": {"a": 1}}, Hints()),
        ({"prompt_cache_key": "x" * 9_999}, Hints("x" * SESSION_CHARS_MAX)),
    ],
)
def test_what_is_said_is_read(payload: dict[str, object], hints: Hints) -> None:
    assert hints_of(payload) == hints


@pytest.mark.parametrize("tier", ["best", "", 1, ["flex"], {"a": 1}])
def test_a_class_there_is_none_of_is_refused(tier: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        hints_of({"service_tier": tier})
    assert refused.value.param == "service_tier"


def test_engines_are_not_told() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    said = {"service_tier": "priority", "prompt_cache_key": "talk"}
    request = parse(Surface.CHAT_COMPLETIONS, orjson.dumps(body | said))
    assert request.hints == Hints("talk", "priority")
    assert not request.payload.keys() & said.keys()
