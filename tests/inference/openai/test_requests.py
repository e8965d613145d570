"""What a request may be: each refusal names its parameter, and nothing slips past."""

import contextlib
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.openai.limits import (
    DEPTH_MAX,
    MESSAGES_MAX,
    PROMPTS_MAX,
    VALUES_MAX,
    _structure_of,
    check_depth,
)
from inference.openai.requests import CHOICES_MAX, GenerationRequest, parse
from inference.openai.tasks import Task
from kit.contracts import Surface
from kit.errors import InvalidRequest

CHAT, COMPLETION = Surface.CHAT_COMPLETIONS, Surface.COMPLETIONS
USER = {"role": "user", "content": "hello"}


def chat(**fields: Any) -> GenerationRequest:
    """Parse a chat with these fields over the least there can be."""
    body = {"model": "m", "messages": [USER], **fields}
    return parse(CHAT, orjson.dumps(body))


def completion(**fields: Any) -> GenerationRequest:
    """Parse a completion likewise."""
    return parse(COMPLETION, orjson.dumps({"model": "m", "prompt": "p", **fields}))


def refusal(surface: Surface, body: bytes) -> InvalidRequest:
    """Return how this body is refused."""
    with pytest.raises(InvalidRequest) as refused:
        parse(surface, body)
    return refused.value


def test_the_least_chat_and_the_least_completion() -> None:
    assert chat() == GenerationRequest(
        surface=CHAT,
        task=Task.CHAT,
        model="m",
        stream=False,
        prompts=1,
        choices=1,
        output_tokens_max=None,
        include_usage=False,
        continuous_usage=False,
        payload={"model": "m", "messages": [USER]},
    )
    assert completion().payload == {"model": "m", "prompt": "p"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"1", b'{"a":NaN}', b"{'a':1}", b"\xff",
     b'{"model":"m"} x', b'{"a":Infinity}', b'{"a":01}', b'{"a":"\\ud800"}'],
)  # fmt: skip
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    assert refusal(CHAT, body).status == 400


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": ["m"]}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [USER] * (MESSAGES_MAX + 1)}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "root"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"]}]}, "messages[0].role"),
        ({"messages": [{"role": {}}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": ["text"]}]}]},
            "messages[0].content",
        ),
        ({"n": 0}, "n"),
        ({"n": CHOICES_MAX + 1}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.0}, "n"),
        ({"n": "2"}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
        ({"stream": 1}, "stream"),
        ({"stream": "true"}, "stream"),
        ({"stream_options": {}}, "stream_options"),
        ({"stream": False, "stream_options": {}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
        ),
        (
            {"stream": True, "stream_options": {"continuous_usage_stats": "x"}},
            "stream_options.continuous_usage_stats",
        ),
        ({"prompt": "x"}, "prompt"),
        ({"zebra": 1, "apple": None}, "apple"),
    ],
)
def test_a_refused_chat_names_its_parameter(fields: Any, param: str) -> None:
    body = {"model": "m", "messages": [USER], **fields}
    refused = refusal(CHAT, orjson.dumps(body))
    assert refused.param == param
    assert param in refused.message


@pytest.mark.parametrize(
    "prompt",
    [None, 5, {}, [], [[]], ["a", 1], [1.5], [True], [[1], [True]], [[["a"]]],
     ["a"] * (PROMPTS_MAX + 1)],
)  # fmt: skip
def test_a_prompt_that_is_none_is_refused(prompt: object) -> None:
    body = orjson.dumps({"model": "m", "prompt": prompt})
    assert refusal(COMPLETION, body).param == "prompt"


@pytest.mark.parametrize(
    ("prompt", "n", "choices"),
    [
        ("text", 1, 1),
        ("", 3, 3),
        ([1, 2, 3], 2, 2),
        (["a", "b"], 2, 4),
        ([[1], [2, 3]], 1, 2),
        (["a", [1]], 1, 2),
    ],
)
def test_a_list_of_prompts_makes_as_many_choices(
    prompt: object, n: int, choices: int
) -> None:
    assert completion(prompt=prompt, n=n).choices == choices


@pytest.mark.parametrize(
    "name",
    ["priority", "request_id", "cache_salt", "kv_transfer_params", "vllm_xargs",
     "chat_template", "mm_processor_kwargs", "truncate_prompt_tokens",
     "min_tokens", "use_beam_search", "echo", "prompt_logprobs", "return_token_ids",
     "allowed_token_ids", "session_id", "guided_json", "logits_processors",
     "continuous_usage_stats", "best_of", "suffix", "ec_transfer_params",
     "media_io_kwargs", "routed_experts", "prompt_embeds", "add_generation_prompt",
     "continue_final_message", "documents", "add_special_tokens", "guided_grammar",
     "return_tokens_as_token_ids", "length_penalty", "tokenizer", "lora_request"],
)  # fmt: skip
@pytest.mark.parametrize("surface", [CHAT, COMPLETION])
def test_fields_that_steer_the_engine_are_refused_by_name(
    surface: Surface, name: str
) -> None:
    body = orjson.dumps({"model": "m", "messages": [USER], "prompt": "p", name: 1})
    other = "messages" if surface is COMPLETION else "prompt"
    refused = refusal(surface, body)
    assert refused.code == "unsupported_parameter"
    assert refused.param == min(name, other)


@pytest.mark.parametrize(
    "name",
    ["metadata", "user", "store", "safety_identifier", "prompt_cache_key",
     "prompt_cache_retention", "verbosity"],
)  # fmt: skip
def test_fields_that_mean_nothing_here_are_dropped(name: str) -> None:
    assert name not in chat(**{name: {"a": 1}}).payload


def test_null_is_the_same_as_absent() -> None:
    nothing = dict.fromkeys(
        ["n", "max_tokens", "stream", "stream_options", "stop", "temperature", "seed"]
    )
    assert chat(**nothing) == chat()


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_bound_is_taken_out_of_the_payload_and_kept(name: str) -> None:
    request = chat(**{name: 9})
    assert request.output_tokens_max == 9
    assert name not in request.payload
    both = chat(max_tokens=4, max_completion_tokens=4)
    assert both.output_tokens_max == 4


@pytest.mark.parametrize(
    ("given_options", "include", "continuous"),
    [
        ({}, False, False),
        ({"include_usage": True}, True, False),
        ({"continuous_usage_stats": True}, False, False),
        ({"include_usage": True, "continuous_usage_stats": True}, True, True),
        ({"include_usage": None, "include_obfuscation": False}, False, False),
    ],
)
def test_the_client_s_stream_options_are_ours_to_serve(
    given_options: Any, include: bool, continuous: bool
) -> None:
    request = chat(stream=True, stream_options=given_options)
    assert (request.include_usage, request.continuous_usage) == (include, continuous)
    assert "stream_options" not in request.payload


def test_a_doubled_field_means_one_thing_to_everybody() -> None:
    body = b'{"model":"a","max_tokens":1,"messages":[{"role":"user"}],"max_tokens":7,'
    request = parse(CHAT, body + b'"model":"b"}')
    assert (request.model, request.output_tokens_max) == ("b", 7)
    assert orjson.dumps(request.payload).count(b'"model"') == 1


@pytest.mark.parametrize("number", ["1e400", "99999999999999999999999", "1" * 5000])
def test_a_huge_number_is_no_token_count(number: str) -> None:
    body = b'{"model":"m","messages":[{"role":"user"}],"max_tokens":%b}'
    assert refusal(CHAT, body % number.encode()).status == 400


def test_depth_is_bounded() -> None:
    for depth in (1, DEPTH_MAX):
        check_depth(b"[" * depth + b"]" * depth + b"[]" * DEPTH_MAX)
    for depth in (DEPTH_MAX + 1, 100_000):
        with pytest.raises(InvalidRequest, match=r"deeper|lists"):
            check_depth(b"[" * depth + b"]" * depth)


@given(st.text(alphabet='[]{}"\\a', max_size=200))
def test_brackets_in_strings_are_text(text: str) -> None:
    nested = orjson.dumps({"a": ["[" * 200, text, {"b": text}]})
    check_depth(nested)
    too_deep = b"[" * DEPTH_MAX + nested
    with pytest.raises(InvalidRequest):
        check_depth(too_deep)


def test_the_number_of_lists_is_bounded() -> None:
    with pytest.raises(InvalidRequest, match="lists and objects"):
        check_depth(b"[" + b"[]," * (VALUES_MAX + 1) + b"]")


@pytest.mark.parametrize(
    ("largest", "larger"),
    [
        (b"{" + b'"a":1,' * 65_535 + b'"a":1}', b"{" + b'"a":1,' * 65_536 + b'"a":1}'),
        (b"[" + b"1," * 1_048_576 + b"1]", b"[" + b"1," * 1_048_577 + b"1]"),
        (
            b"[" + b'"",' * 131_071 + b'""]',
            b"[" + b'"",' * 131_072 + b'""]',
        ),
    ],
    ids=["fields", "items", "texts"],
)
def test_the_number_of_values_is_bounded(largest: bytes, larger: bytes) -> None:
    check_depth(largest)
    with pytest.raises(InvalidRequest, match="holds over"):
        check_depth(larger)


_TEXTS = st.text(alphabet='[]{},:"\\\n é', max_size=9)
_JSON = st.recursive(
    _TEXTS | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
)


@given(_JSON)
def test_the_structure_is_what_is_no_text(value: object) -> None:
    def marks(of: object) -> str:
        if isinstance(of, dict):
            return "{" + ",".join(":" + marks(each) for each in of.values()) + "}"
        if isinstance(of, list):
            return "[" + ",".join(map(marks, of)) + "]"
        return ""

    assert _structure_of(orjson.dumps(value)) == marks(value).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 2_500_000 + b"1" + b"}" * 2_500_000,
        b"{" + b",".join(b'"k%07d":1' % number for number in range(1_000_000)) + b"}",
        b'["' + b'\\\\"' * 3_000_000 + b"[]" * 99,
        b"[" + b'"",' * 4_000_000 + b"1]",
        b'["' + b"x[{" * 1_500_000 + b'"]' + b"[]" * 99,
        b'"' + b'\\"' * 2_000_000 + b"[]" * 99,
        b'["' + b"\\\\" * 2_000_000 + b"[{" * 99,
        b"[]" * 2_000_000,
    ],
)
def test_no_body_makes_the_walk_slow(body: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(InvalidRequest):
        check_depth(body)
    assert time.process_time() - started < 0.5
