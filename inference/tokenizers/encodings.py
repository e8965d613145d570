"""Load a shipped tokenizer, and count the tokens of a text with it.

Failure: a rank file that is missing or not the one we know raises `TokenizerError`, and
so does a text that the tokenizer cannot digest; nothing is ever fetched from a network.
Both are slow by the standards of an event loop: `inference.tokenizers.pool` calls them
from a thread.
"""

import base64
import hashlib
import lzma
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tiktoken

from inference.tokenizers.shipped import SHIPPED

_FOLDER = Path(__file__).parent / "ranks"
# A longer run of one kind (spaces, say) makes the splitting rule overflow its stack.
RUN_CHARACTERS_MAX = 25_000
# tiktoken turns its tokens into Python's objects while nothing else may run.
PIECE_CHARACTERS = 64_000
_RUN = re.compile(r"\s+|\S+")


class TokenizerError(Exception):
    """A tokenizer that cannot be had, or a text that it cannot count."""


@cache
def encoding(name: str) -> tiktoken.Encoding:
    """Return a shipped tokenizer, read and checked once in a process."""
    shipped = SHIPPED.get(name)
    if shipped is None:
        raise TokenizerError(f"no tokenizer named {name} is shipped")
    return tiktoken.Encoding(
        name,
        pat_str=shipped.rule,
        mergeable_ranks=_ranks(_FOLDER / f"{name}.tiktoken.xz", sha256=shipped.sha256),
        # Text never holds a special token here: what looks like one is counted as text.
        special_tokens={},
    )


def text_tokens(name: str, text: str) -> int:
    """Return how many tokens `text` is."""
    known = encoding(name)
    try:
        return sum(len(known.encode_ordinary(piece)) for piece in _digestible(text))
    except BaseException as error:
        # A panic of the Rust side is none of `Exception`.
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerError("the tokenizer gave up on a text") from None


def _ranks(path: Path, *, sha256: str) -> dict[bytes, int]:
    try:
        plain = lzma.decompress(path.read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise TokenizerError(f"{path.name} cannot be read") from error
    if hashlib.sha256(plain).hexdigest() != sha256:
        raise TokenizerError(f"{path.name} is not the file that it should be")
    lines = (line.split() for line in plain.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def _digestible(text: str) -> Iterator[str]:
    """Cut a long text before a space, and within runs that are too long.

    A cut adds a token at most.
    """
    if len(text) <= RUN_CHARACTERS_MAX:
        yield text
        return
    start = 0
    for run in _RUN.finditer(text):
        if run.start() - start > PIECE_CHARACTERS and text[run.start()].isspace():
            yield text[start : run.start()]
            start = run.start()
        while run.end() - max(start, run.start()) > RUN_CHARACTERS_MAX:
            end = max(start, run.start()) + RUN_CHARACTERS_MAX
            yield text[start:end]
            start = end
    yield text[start:]
