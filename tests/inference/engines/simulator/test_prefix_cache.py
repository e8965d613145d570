"""The prefix cache: what a naive one finds, never more than it may hold or find."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.prefix_cache import BLOCK_TOKENS, PrefixCache

PIECES = [tuple([letter] * 8) for letter in "ab"]
PROMPTS = st.lists(st.sampled_from(PIECES), max_size=10).map(
    lambda pieces: tuple(token for piece in pieces for token in piece)
)
ASKED = st.tuples(
    PROMPTS.flatmap(
        lambda prompt: st.integers(0, 3).map(lambda more: (*prompt, *"xyz"[:more]))
    ),
    st.sampled_from([None, "s", "None"]),
)

Prefix = tuple[str | None, tuple[str, ...]]


class NaiveCache:
    """Whole prefixes in a list, the one used least recently first."""

    def __init__(self, blocks: int) -> None:
        """Start empty."""
        self.blocks = blocks
        self.held: list[Prefix] = []

    def compute(self, prompt: Sequence[str], salt: str | None) -> tuple[int, int]:
        """Return tokens found and tokens newly stored."""
        full = [
            (salt, tuple(prompt[:end]))
            for end in range(BLOCK_TOKENS, len(prompt) + 1, BLOCK_TOKENS)
        ]
        found = 0
        for prefix in full:
            if prefix not in self.held or len(prefix[1]) >= len(prompt):
                break
            found += BLOCK_TOKENS
        for prefix in reversed(full):
            if prefix in self.held:
                self.held.remove(prefix)
            self.held.append(prefix)
        self.held = self.held[-self.blocks :] if self.blocks else []
        stored = min(len(full), self.blocks) * BLOCK_TOKENS
        return found, max(0, stored - found)


@given(st.integers(0, 6), st.lists(ASKED, max_size=30))
def test_it_finds_what_a_naive_cache_finds(
    blocks: int, asked: list[tuple[tuple[str, ...], str | None]]
) -> None:
    cache, naive = PrefixCache(blocks=blocks), NaiveCache(blocks)
    for prompt, salt in asked:
        prefill = cache.compute(prompt, salt=salt)
        expected = naive.compute(prompt, salt) if blocks else (0, 0)
        assert (prefill.cached_tokens, prefill.created_tokens) == expected
        assert prefill.cached_tokens < max(1, len(prompt))
        assert len(cache) == len(naive.held) <= blocks


def words(count: int, *, start: int = 0) -> list[str]:
    """Return so many different words."""
    return [f"w{number}" for number in range(start, start + count)]


def found(cache: PrefixCache, prompt: Sequence[object], salt: str | None = None) -> int:
    """Return how many tokens of `prompt` the cache has."""
    return cache.compute(prompt, salt=salt).cached_tokens


def test_only_whole_blocks_and_never_the_whole_prompt() -> None:
    for length, expected in ((15, 0), (16, 0), (17, 16), (32, 16), (33, 32), (47, 32)):
        cache = PrefixCache(blocks=10)
        assert found(cache, words(length)) == 0
        assert found(cache, words(length)) == expected


def test_a_block_counts_only_behind_the_same_beginning() -> None:
    cache = PrefixCache(blocks=10)
    found(cache, words(48))
    assert found(cache, words(32) + words(32, start=100)) == 32
    assert found(cache, words(16, start=50) + words(32, start=16)) == 0


def test_a_salt_keeps_prompts_apart() -> None:
    cache = PrefixCache(blocks=10)
    for salt in (None, "a", "None"):
        assert found(cache, words(33), salt) == 0
    for salt in (None, "a", "None"):
        assert found(cache, words(33), salt) == 32


def test_words_and_numbers_are_different_tokens() -> None:
    cache = PrefixCache(blocks=10)
    found(cache, [str(number) for number in range(17)])
    assert found(cache, list(range(17))) == 0


def test_what_was_used_last_is_kept_and_ends_go_first() -> None:
    cache = PrefixCache(blocks=4)
    first, second, third = (words(33, start=at) for at in (0, 100, 200))
    found(cache, first)
    found(cache, second)
    assert found(cache, first) == 32
    found(cache, third)
    assert found(cache, first) == 32
    # The second prompt was used least recently, and one block makes room for one.
    cache = PrefixCache(blocks=3)
    found(cache, first)
    found(cache, second)
    assert found(cache, first) == 16


def test_a_smaller_cache_forgets_at_once() -> None:
    cache = PrefixCache(blocks=4)
    found(cache, words(65))
    cache.resize(1)
    assert (len(cache), found(cache, words(65))) == (1, 16)
    cache.resize(0)
    assert (len(cache), found(cache, words(65))) == (0, 0)
