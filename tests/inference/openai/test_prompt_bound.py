"""The bound of a prompt: never below what a tokenizer counts, and never silly."""

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.openai import prompt_bound
from inference.openai.limits import MESSAGES_MAX
from inference.openai.prompt_bound import (
    DEFAULT,
    PromptBound,
    bound,
    chat_measures,
    text_measures,
)
from inference.openai.requests import GenerationRequest, parse
from inference.tokenizers import encodings
from inference.tokenizers.prompts import prompt_tokens
from inference.tokenizers.shipped import SHIPPED
from kit.contracts import Surface
from kit.json_values import is_array
from tests.inference.openai.chats import (
    CHATS,
    COMPLETIONS,
    TEXT,
    chat,
    completion,
    deep,
)
from tests.inference.openai.counting import simulated

CAPTURES = Path(__file__).parents[2] / "captures"
_REPORTED = re.compile(r'"prompt_tokens": ?(\d+)')
COUNTED = [
    path
    for path in sorted(CAPTURES.glob("*/*.sse"))
    if path.with_suffix(".json").exists() and _REPORTED.search(path.read_text())
]
BOUNDLESS = 10**12
USER: dict[str, Any] = {"role": "user", "content": "hi"}
NO_FACTORS = PromptBound(0, 0, 0, 0, 0, 0)


def bound_of(request: GenerationRequest, factors: PromptBound = DEFAULT) -> int:
    return bound(request, factors, context_tokens=BOUNDLESS)


def rendered(payload: dict[str, Any]) -> str:
    """Render a chat as a wasteful template does: all that is JSON, widely indented."""
    lines = [f"<|tools|>{wide(tool)}" for tool in payload.get("tools") or ()]
    for message in payload["messages"]:
        content = message.get("content")
        parts = content if is_array(content) else [content or ""]
        texts = (part["text"] if isinstance(part, dict) else part for part in parts)
        calls = "".join(map(wide, message.get("tool_calls") or ()))
        body = "\n".join(map(str, texts))
        lines.append(f"<|im_start|>{message['role']}\n{body}{calls}<|im_end|>")
    return "\n".join([*lines, "<|im_start|>assistant\n"])


def wide(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=4)


@given(CHATS | COMPLETIONS)
@example(chat([USER | {"content": [{"type": "refusal", "refusal": "\x7f" * 2000}]}]))
@example(chat([USER | {"tool_calls": [[1e15] * 2000]}]))
@example(completion(""))
def test_no_request_is_longer_to_the_simulator(request: GenerationRequest) -> None:
    assert bound_of(request) >= simulated(request)


@pytest.mark.parametrize("name", sorted(SHIPPED))
# The first call of a process reads the ranks.
@settings(deadline=None)
@given(request=CHATS | COMPLETIONS)
def test_no_request_is_longer_to_a_real_tokenizer(
    name: str, request: GenerationRequest
) -> None:
    def count_text(text: str) -> int:
        return encodings.text_tokens(name, text)

    counted = prompt_tokens(request, shipped=SHIPPED[name], count_text=count_text)
    assert bound_of(request) >= counted


_TEXT_CHATS = st.lists(
    st.fixed_dictionaries({"role": st.just("user"), "content": TEXT}), min_size=1
)


@given(
    messages=_TEXT_CHATS,
    levels=st.integers(1, 50),
    width=st.integers(1, 200),
)
def test_no_rendering_has_more_bytes(
    messages: list[dict[str, Any]], levels: int, width: int
) -> None:
    """One token a byte is the most, so the bytes of a rendering bound its tokens."""
    tools = [deep(levels, inner=[1e15] * width)]
    request = chat(messages, tools=tools)
    assert bound_of(request) >= len(rendered(request.payload).encode())


@given(TEXT)
def test_a_template_may_escape_a_text(text: str) -> None:
    request = chat([{"role": "tool", "content": text}])
    escaped = json.dumps(text, ensure_ascii=False).encode()
    assert bound_of(request) >= len(escaped)


@pytest.mark.parametrize("path", COUNTED, ids=lambda path: path.stem)
def test_no_capture_was_longer_to_its_engine(path: Path) -> None:
    body = json.loads(path.with_suffix(".json").read_text())
    surface = Surface.CHAT_COMPLETIONS if "messages" in body else Surface.COMPLETIONS
    longest = max(map(int, _REPORTED.findall(path.read_text())))
    bounded = bound_of(parse(surface, orjson.dumps(body)))
    assert longest <= bounded < 600


def test_token_ids_are_counted_and_each_prompt_for_itself() -> None:
    assert bound_of(completion([5, 6, 7])) == 3
    assert bound_of(completion([[5, 6], [7]])) == 3
    one = bound_of(completion("hello"))
    assert one == 5 + DEFAULT.per_message
    assert bound_of(completion(["hello", [5, 6], "hello"])) == 2 * one + 2


def test_no_prompt_is_longer_than_the_context() -> None:
    long = "x" * 5000
    assert bound(chat([USER | {"content": long}]), DEFAULT, context_tokens=900) == 900
    assert bound(completion([long, long]), DEFAULT, context_tokens=900) == 1800
    # Media may be of any size; requests that hold them are refused as yet.
    picture = chat([USER | {"content": [{"type": "text", "text": ""}]}])
    picture.payload["messages"][0]["content"][0]["type"] = "image_url"
    assert bound(picture, DEFAULT, context_tokens=777) == 777
    assert chat_measures(picture.payload) is None


def test_each_factor_weighs_its_measure() -> None:
    call = {"function": {"name": "look", "arguments": "{}"}}
    request = chat(
        [USER, {"role": "assistant", "tool_calls": [call, call]}],
        tools=[{"function": {"name": "look"}}] * 3,
        chat_template_kwargs={"documents": ["d" * 100]},
    )
    measures = chat_measures(request.payload)
    assert measures is not None
    assert (measures.messages, measures.tools) == (2, 5)
    assert (measures.chats, measures.tooled) == (1, 1)
    assert measures.text_bytes == len(orjson.dumps(request.payload["messages"]))
    assert measures.structure_bytes > 100
    for factor, measure in {
        "per_message": 2,
        "per_tool": 5,
        "base": 1,
        "base_tools": 1,
        "per_byte_milli": measures.text_bytes,
        "per_structure_byte_milli": measures.structure_bytes,
    }.items():
        weight = 1000 if factor.endswith("milli") else 1
        alone = PromptBound(**(NO_FACTORS.published() | {factor: weight}))
        assert bound_of(request, alone) == measure


def test_a_text_is_measured_in_bytes() -> None:
    assert text_measures("né").text_bytes == 3
    assert text_measures("ab").text_bytes == 2
    assert PromptBound(per_byte_milli=1, per_message=0).tokens(text_measures("a")) == 1


def test_what_is_too_large_to_be_indented_counts_as_deep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = [{"description": "d" * 100} for _ in range(9)]
    payload = {"messages": [USER], "tools": tools}
    exact = chat_measures(payload)
    monkeypatch.setattr(prompt_bound, "INDENTED_BYTES_MAX", 500)
    counted = chat_measures(payload)
    monkeypatch.setattr(prompt_bound, "INDENTED_EACH_MAX", 50)
    none = chat_measures(payload)
    assert exact is not None
    assert counted is not None
    assert none is not None
    assert exact.structure_bytes < counted.structure_bytes < none.structure_bytes
    assert none.structure_bytes == 64 * exact.structure_bytes


def test_the_longest_chat_is_measured_at_once() -> None:
    plain = chat([USER] * MESSAGES_MAX)
    assert bound_of(plain) == (
        len(orjson.dumps(plain.payload["messages"]))
        + MESSAGES_MAX * DEFAULT.per_message
        + DEFAULT.base
    )


def test_factors_are_published_whole_and_read_with_tolerance() -> None:
    factors = PromptBound(1100, 2200, 7, 8, 90, 100)
    assert PromptBound.of_published(factors.published()) == factors
    assert PromptBound.of_published(None) == DEFAULT
    older = {"per_byte_milli": 900, "of_a_later_version": 5}
    assert PromptBound.of_published(older) == PromptBound(per_byte_milli=900)
    for wrong in (-1, 1.5, "1", True, None):
        with pytest.raises(ValueError, match="per_message"):
            PromptBound.of_published({"per_message": wrong})
