"""The shipped tokenizers: tiktoken's own ranks and rules, and no text too hard."""

import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from inference.tokenizers import encodings
from inference.tokenizers.encodings import (
    PIECE_CHARACTERS,
    RUN_CHARACTERS_MAX,
    text_tokens,
)
from inference.tokenizers.shipped import SHIPPED, TokenizerError

NAMES = sorted(SHIPPED)


@pytest.fixture
def tiktoken_s_own(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Give tiktoken's constructor of an encoding, its download answered by our file."""

    def specification(name: str) -> dict[str, Any]:
        def ours(address: str, expected_hash: str) -> dict[bytes, int]:
            assert address.endswith(f"/{name}.tiktoken")
            path = Path(encodings.__file__).parent / "ranks" / f"{name}.tiktoken.xz"
            return encodings._ranks(path, sha256=expected_hash)

        monkeypatch.setattr(openai_public, "load_tiktoken_bpe", ours)
        made: dict[str, Any] = openai_public.ENCODING_CONSTRUCTORS[name]()
        return made

    return specification


@pytest.mark.parametrize("name", NAMES)
def test_rule_and_hash_are_those_that_tiktoken_expects(
    name: str, tiktoken_s_own: Callable[[str], dict[str, Any]]
) -> None:
    theirs = tiktoken_s_own(name)
    assert theirs["pat_str"] == SHIPPED[name].rule
    reference = tiktoken.Encoding(**theirs)
    for text in ("I'll say: 'né à Zürich', 12345.\n\n\tif x:  y", "漢字 🎉", ""):
        assert text_tokens(name, text) == len(reference.encode_ordinary(text))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("hello world", 2), ("", 0), ("tiktoken is great!", 6)],
)
def test_known_counts(text: str, tokens: int) -> None:
    assert text_tokens("cl100k_base", text) == tokens


@pytest.mark.parametrize("name", NAMES)
def test_what_looks_like_a_special_token_is_text(name: str) -> None:
    assert text_tokens(name, "<|endoftext|>") > 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [" ", "a", "\n", "\t ", "漢", "\N{PARTY POPPER}"])
def test_a_run_that_breaks_tiktoken_is_counted(name: str, unit: str) -> None:
    text = unit * 300_000
    whole = text_tokens(name, text)
    halves = 2 * text_tokens(name, unit * 150_000)
    assert 0 < whole <= len(text.encode())
    # A cut adds a token at most.
    assert abs(whole - halves) <= len(text) // RUN_CHARACTERS_MAX + 2


@pytest.mark.parametrize("name", NAMES)
def test_a_long_text_is_counted_in_pieces_and_as_exactly(name: str) -> None:
    text = "I'll say: 'né à Zürich', 12345.  if x:  y" * 20_000
    pieces = list(encodings._digestible(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= PIECE_CHARACTERS + RUN_CHARACTERS_MAX
    whole = len(encodings.encoding(name).encode_ordinary(text))
    assert 0 <= text_tokens(name, text) - whole <= len(pieces)


def test_a_panic_of_tiktoken_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encodings, "RUN_CHARACTERS_MAX", 10_000_000)
    with pytest.raises(TokenizerError, match="gave up"):
        text_tokens("o200k_base", " " * 1_000_000)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=300), st.sampled_from(NAMES))
def test_any_text_has_no_more_tokens_than_bytes(text: str, name: str) -> None:
    tokens = text_tokens(name, text)
    assert (tokens == 0) == (text == "")
    assert tokens <= len(text.encode("utf-8", "surrogatepass"))


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    sha256 = SHIPPED["cl100k_base"].sha256
    forged = tmp_path / "cl100k_base.tiktoken.xz"
    with pytest.raises(TokenizerError, match="cannot be read"):
        encodings._ranks(forged, sha256=sha256)
    forged.write_bytes(b"not xz")
    with pytest.raises(TokenizerError, match="cannot be read"):
        encodings._ranks(forged, sha256=sha256)
    forged.write_bytes(lzma.compress(b"IQ== 0\n"))
    with pytest.raises(TokenizerError, match="should be"):
        encodings._ranks(forged, sha256=sha256)


def test_a_tokenizer_that_is_not_shipped_is_named() -> None:
    with pytest.raises(TokenizerError, match="p50k_base"):
        text_tokens("p50k_base", "hello")
