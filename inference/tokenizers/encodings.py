"""Load a tokenizer, and count the tokens of a text with it.

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

from inference.tokenizers.own import own_ranks, tokenizer
from inference.tokenizers.shipped import SHIPPED, TokenizerError

_FOLDER = Path(__file__).parent / "ranks"
# A longer run of one kind (spaces, say) makes the splitting rule overflow its stack.
RUN_CHARACTERS_MAX = 25_000
# tiktoken turns its tokens into Python's objects while nothing else may run.
PIECE_CHARACTERS = 64_000
_RUN = re.compile(r"\s+|\S+")


@cache
def encoding(name: str, folder: Path | None = None) -> tiktoken.Encoding:
    """Return a tokenizer, shipped or the folder's own, read once in a process."""
    known = tokenizer(name, folder)
    if name in SHIPPED:
        ranks = _ranks(_FOLDER / f"{name}.tiktoken.xz", sha256=known.sha256)
    elif folder is None:
        raise TokenizerError(f"there is no tokenizer named {name}")
    else:
        ranks = _checked(
            own_ranks(name, folder), f"{name}.tiktoken", sha256=known.sha256
        )
    if missing := 256 - sum(bytes([byte]) in ranks for byte in range(256)):
        raise TokenizerError(f"{name} has no token for {missing} of the bytes")
    try:
        return tiktoken.Encoding(
            name,
            pat_str=known.rule,
            mergeable_ranks=ranks,
            # Text never holds a special token here: what looks like one is text.
            special_tokens={},
        )
    except ValueError as error:
        raise TokenizerError(f"{name} cannot be built: {error}") from None


def text_tokens(name: str, text: str, folder: Path | None = None) -> int:
    """Return how many tokens `text` is."""
    known = encoding(name, folder)
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
    return _checked(plain, path.name, sha256=sha256)


def _checked(plain: bytes, name: str, *, sha256: str) -> dict[bytes, int]:
    if hashlib.sha256(plain).hexdigest() != sha256:
        raise TokenizerError(f"{name} is not the file that it should be")
    lines = (line.split() for line in plain.splitlines() if line)
    try:
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    except ValueError as error:
        raise TokenizerError(f"{name} holds a line that is no rank") from error
    if len(set(ranks.values())) != len(ranks):
        raise TokenizerError(f"{name} gives one rank to two tokens")
    return ranks


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
