"""Numbered tokens prove what was delivered; counted words are the same for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.tokens import (
    MESSAGE_MARKERS,
    NUMBER_PREFIX,
    REPLY_MARKERS,
    TranscriptError,
    answer_text,
    chat_tokens,
    delivered_tokens,
    text_tokens,
    token_id,
)

FRAME = len(MESSAGE_MARKERS) + len(REPLY_MARKERS)


@given(st.integers(0, 3000))
def test_a_whole_answer_counts_its_tokens(count: int) -> None:
    assert delivered_tokens(answer_text(count)) == count


@given(st.integers(2, 300), st.data())
def test_a_missing_doubled_or_swapped_token_is_seen(
    count: int, data: st.DataObject
) -> None:
    tokens = [f"{NUMBER_PREFIX}{number}" for number in range(1, count + 1)]
    at = data.draw(st.integers(0, count - 2))
    missing = tokens[:at] + tokens[at + 1 :]
    doubled = [*tokens[: at + 1], *tokens[at:]]
    swapped = [*tokens[:at], tokens[at + 1], tokens[at], *tokens[at + 2 :]]
    for broken in (missing, doubled, swapped):
        with pytest.raises(TranscriptError):
            delivered_tokens("".join(broken))


@given(st.integers(1, 200), st.data())
def test_a_cut_between_tokens_counts_and_a_cut_inside_one_is_seen(
    count: int, data: st.DataObject
) -> None:
    whole = answer_text(count)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    if cut in {answer_text(number) for number in range(count + 1)}:
        delivered_tokens(cut)
    else:
        with pytest.raises(TranscriptError):
            delivered_tokens(cut)


def test_text_before_the_first_token_is_seen() -> None:
    with pytest.raises(TranscriptError, match="before the first"):
        delivered_tokens("so t1 t2")


@given(st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1)))
def test_a_prompt_counts_its_words_and_at_least_one(words: list[str]) -> None:
    assert len(text_tokens("  \n".join(words))) == max(1, len(words))


def test_a_chat_counts_words_markers_parts_and_structures() -> None:
    def count(*messages: dict[str, object], tools: object = None) -> int:
        return len(chat_tokens(messages, tools=tools))

    assert count({"role": "user", "content": "one two"}) == FRAME + 2
    assert count({"role": "user", "content": None}) == FRAME
    assert count({"role": "user", "content": [{"type": "text", "text": "a b"}]}) == (
        FRAME + 2
    )
    both = count({"content": "a"}, {"content": "b c"})
    assert both == 2 * len(MESSAGE_MARKERS) + len(REPLY_MARKERS) + 3
    # '[{"a":1}]' is nine bytes: three tokens of at most four.
    assert count({"content": "a"}, tools=[{"a": 1}]) == FRAME + 1 + 3
    assert count({"content": "a", "tool_calls": [{"a": 1}]}) == FRAME + 1 + 3


@given(st.text())
def test_a_token_id_is_stable_and_small(token: str) -> None:
    assert token_id(token) == token_id(token)
    assert 0 <= token_id(token) < 50_000
