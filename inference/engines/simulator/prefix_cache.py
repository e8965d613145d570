"""Which prompts' beginnings are already computed, as vLLM's prefix cache knows it.

A prompt is cut into blocks of `BLOCK_TOKENS`; what is left over is never cached. A
block is known by a digest of its tokens and of the block before it, the first one also
by the request's `cache_salt`: prompts share exactly their common beginning, and none
with another salt. At least one token of a prompt is always computed, so of one that is
cached to its very end the last block is computed again.

Bound: the blocks used least recently are forgotten first, and of one prompt the later
ones before the earlier, so that what is cached can be reached. One loop: no locks.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

BLOCK_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Prefill:
    """A prompt's tokens: found in the cache, and newly in it."""

    cached_tokens: int = 0
    created_tokens: int = 0


NO_PREFILL = Prefill()


class PrefixCache:
    """At most `blocks` blocks; with 0 of them nothing is ever found."""

    __slots__ = ("_digests", "blocks")

    def __init__(self, *, blocks: int) -> None:
        """Start empty."""
        self.blocks = blocks
        # Least recently used first.
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many blocks are held."""
        return len(self._digests)

    def resize(self, blocks: int) -> None:
        """Hold at most `blocks` from now on."""
        self.blocks = blocks
        self._evict()

    def compute(self, prompt: Sequence[object], *, salt: str | None) -> Prefill:
        """Look `prompt` up, remember it, and return what that came to."""
        if not self.blocks:
            return NO_PREFILL
        digests = list(_digests(prompt, salt))
        findable = (len(prompt) - 1) // BLOCK_TOKENS
        found = 0
        while found < findable and digests[found] in self._digests:
            found += 1
        for digest in reversed(digests):
            self._digests[digest] = None
            self._digests.move_to_end(digest)
        self._evict()
        stored = min(len(digests), self.blocks)
        return Prefill(found * BLOCK_TOKENS, max(0, stored - found) * BLOCK_TOKENS)

    def _evict(self) -> None:
        while len(self._digests) > self.blocks:
            self._digests.popitem(last=False)


def _digests(prompt: Sequence[object], salt: str | None) -> Iterator[bytes]:
    """Yield the digest of each full block, each chained to the one before."""
    digest = sha256(repr(salt).encode()).digest()
    for end in range(BLOCK_TOKENS, len(prompt) + 1, BLOCK_TOKENS):
        # Python's notation tells words from numbers, and any two words apart.
        block = repr(list(prompt[end - BLOCK_TOKENS : end])).encode()
        digest = sha256(digest + block).digest()
        yield digest
