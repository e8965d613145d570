"""The index of prompts' beginnings: what it finds, holds, and believes no longer."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.routing.prefix_index import (
    FIRST_MARK,
    MARKS_MAX,
    PLACES,
    PrefixIndex,
    Trail,
    trail_of,
)

TOKENS = 5000
_BYTES = st.builds(
    lambda seed, size: random.Random(seed).randbytes(size),
    st.integers(0, 5),
    st.integers(0, 20_000),
)


def text(name: str, size: int = 20_000) -> bytes:
    return random.Random(name).randbytes(size)


def trail(name: str, size: int = 20_000) -> Trail:
    return trail_of(text(name, size), "seed")


def computed(index: PrefixIndex, replica_id: int, of: Trail, *, cached: int) -> None:
    """Let a replica compute a prompt, and tell how much it had of it."""
    sent = index.sent(replica_id, of)
    index.answered(replica_id, of, sent, prompt_tokens=TOKENS, cached_tokens=cached)


def known(index: PrefixIndex, replica_id: int, *names: str) -> list[str]:
    """Return of which prompts a replica has all, as far as marks go."""
    return [
        name
        for name in names
        if index.matched_bytes(replica_id, trail(name)) == PLACES[45]
    ]


@given(prompt=_BYTES, more=_BYTES)
def test_a_longer_prompt_has_the_marks_of_the_shorter(
    prompt: bytes, more: bytes
) -> None:
    shorter, longer = trail_of(prompt, 1), trail_of(prompt + more, 1)
    assert longer.marks[: len(shorter.marks)] == shorter.marks


@given(shared=_BYTES, one=_BYTES, other=_BYTES)
def test_what_is_common_is_found_to_an_eighth_and_never_more(
    shared: bytes, one: bytes, other: bytes
) -> None:
    index = PrefixIndex()
    index.sent(1, trail_of(shared + b"1" + one, "seed"))
    prompt = shared + b"2" + other
    found = index.matched_bytes(1, trail_of(prompt, "seed"))
    assert found <= len(shared)
    if len(shared) >= FIRST_MARK:
        assert found >= len(shared) * 7 // 8 - 64


@given(prompt=_BYTES)
def test_another_seed_and_another_replica_match_nothing(prompt: bytes) -> None:
    index = PrefixIndex()
    index.sent(1, trail_of(prompt, ("m", "", "salt")))
    for seed in (("m", "", "other"), ("m", "a", "salt"), ("n", "", "salt")):
        assert not index.matched_bytes(1, trail_of(prompt, seed))
    assert not index.matched_bytes(2, trail_of(prompt, ("m", "", "salt")))


def test_marks_stand_an_eighth_apart_and_are_few() -> None:
    steps = [after - before for before, after in pairwise(PLACES)]
    assert steps[0] == 64
    for place, step in zip(PLACES, steps, strict=False):
        assert step <= max(64, place // 8)
    assert sum(place <= 400_000 for place in PLACES) == 81
    assert PLACES[-1] > 256 * 1024 * 1024


@given(
    uses=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), max_size=60),
    most=st.integers(1, 200),
)
def test_never_more_marks_than_allowed(uses: list[tuple[int, int]], most: int) -> None:
    index = PrefixIndex(marks_max=most)
    for replica_id, name in uses:
        index.sent(replica_id, trail(str(name), 3000))
        assert len(index) <= most
    assert len(index) == sum(index.size(each) for each in range(1, 5))


def test_the_replica_with_the_most_gives_marks_up_its_oldest_first() -> None:
    index = PrefixIndex(marks_max=4 * 46)
    for name in ("a", "b", "c"):
        index.sent(1, trail(name))
    index.sent(2, trail("d"))
    index.sent(1, trail("a"))
    index.sent(2, trail("e"))
    assert known(index, 1, "a", "b", "c") == ["a", "c"]
    assert known(index, 2, "d", "e") == ["d", "e"]


def test_later_marks_go_before_earlier_ones() -> None:
    index = PrefixIndex(marks_max=60)
    index.sent(1, trail("a"))
    index.sent(1, trail("b"))
    assert index.matched_bytes(1, trail("b")) == PLACES[45]
    assert index.matched_bytes(1, trail("a")) == PLACES[13]


def test_an_engine_that_had_less_has_lost_what_is_older() -> None:
    index = PrefixIndex()
    for name in "abcdefgh":
        computed(index, 1, trail(name), cached=0)
    computed(index, 1, trail("h"), cached=TOKENS)
    computed(index, 1, trail("b"), cached=0)
    # An eighth of what was believed, the oldest of it; b is computed once more.
    assert known(index, 1, *"abcdefgh") == list("bcdefgh")
    computed(index, 1, trail("c"), cached=0)
    assert known(index, 1, *"abcdefgh") == list("bcdefgh")


def test_what_is_younger_is_kept() -> None:
    index = PrefixIndex()
    computed(index, 1, trail("d"), cached=1)
    for name in "abc":
        computed(index, 1, trail(name), cached=0)
    computed(index, 1, trail("d"), cached=0)
    assert known(index, 1, *"abcd") == list("abcd")


@pytest.mark.parametrize("cached", [TOKENS // 2 + 1, TOKENS - 100, 2 * TOKENS])
def test_a_little_less_or_more_says_nothing(cached: int) -> None:
    index = PrefixIndex()
    for name in "abb":
        computed(index, 1, trail(name), cached=cached)
    assert known(index, 1, "a", "b") == ["a", "b"]


def test_one_that_never_tells_is_believed_to_have_it() -> None:
    """Of one that has told once, the oldest would go, as above."""
    index = PrefixIndex()
    for name in "abcdefgh" * 3:
        computed(index, 1, trail(name), cached=0)
    computed(index, 1, trail("h"), cached=0)
    assert known(index, 1, *"abcdefgh") == list("abcdefgh")


def test_one_that_started_anew_must_tell_again_to_be_held_to_it() -> None:
    index = PrefixIndex()
    computed(index, 1, trail("a"), cached=TOKENS)
    index.forget(1)
    for name in "abcdefghh":
        computed(index, 1, trail(name), cached=0)
    assert known(index, 1, *"abcdefgh") == list("abcdefgh")


def test_what_is_being_computed_cannot_have_been_found() -> None:
    """Two ask the same at once: the second finds nothing, and proves nothing."""
    index = PrefixIndex()
    computed(index, 1, trail("a"), cached=TOKENS)
    first, second = index.sent(1, trail("b")), index.sent(1, trail("b"))
    for sent in (first, second):
        index.answered(1, trail("b"), sent, prompt_tokens=TOKENS, cached_tokens=0)
    assert known(index, 1, "a", "b") == ["a", "b"]


def test_a_replica_that_started_anew_has_nothing() -> None:
    index = PrefixIndex()
    sent = index.sent(1, trail("a"), 77)
    index.sent(2, trail("a"))
    assert index.has(1, 77)
    index.forget(1)
    assert not index.has(1, 77)
    assert (index.size(1), index.size(2), len(index)) == (0, 46, 46)
    assert not known(index, 1, "a")
    index.answered(1, trail("a"), sent, prompt_tokens=TOKENS, cached_tokens=0)
    assert not known(index, 1, "a")


def test_the_bound_is_what_the_docstring_says() -> None:
    assert PrefixIndex()._marks_max == MARKS_MAX == 2**18
