"""Tokenizers of a folder: counted with as they are described, or with none at all."""

import base64
import hashlib
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import tiktoken

from inference.openai.requests import GenerationRequest, parse
from inference.tokenizers import own
from inference.tokenizers.encodings import encoding, text_tokens
from inference.tokenizers.own import tokenizer, tokenizer_names
from inference.tokenizers.pool import TokenizerPool
from inference.tokenizers.shipped import SHIPPED, TokenizerError
from kit.contracts import Surface

# As the splitting rule of Llama 3 is published.
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MERGES = [b"he", b"ll", b"hell", b"hello", b" w", b"or", b" wor", b"ld", b" world"]


def rank_file(tokens: list[bytes]) -> bytes:
    """Return the ranks of all bytes and then of these tokens."""
    every = [bytes([byte]) for byte in range(256)] + tokens
    return b"".join(
        base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(every)
    )


def written(folder: Path, name: str, *, ranks: bytes = b"", **description: Any) -> Path:
    """Write a tokenizer into the folder, with these fields over what is right."""
    data = ranks or rank_file(MERGES)
    (folder / f"{name}.tiktoken").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    values = {"pattern": LLAMA, "sha256": sha256, **description}
    (folder / f"{name}.json").write_bytes(orjson.dumps(values))
    return folder


def chat(*messages: str) -> GenerationRequest:
    """Read a chat of these messages."""
    said = [{"role": "user", "content": message} for message in messages]
    return parse(
        Surface.CHAT_COMPLETIONS, orjson.dumps({"model": "m", "messages": said})
    )


def test_a_text_is_as_long_as_the_ranks_make_it(tmp_path: Path) -> None:
    folder = written(tmp_path, "tiny")
    reference = tiktoken.Encoding(
        "reference",
        pat_str=LLAMA,
        mergeable_ranks={
            token: rank
            for rank, token in enumerate(
                [bytes([byte]) for byte in range(256)] + MERGES
            )
        },
        special_tokens={},
    )
    assert text_tokens("tiny", "hello world", folder) == 2
    for text in ("hello", "", "HELLO wor'll 1234\n\n x", "漢字 🎉", "<|eot_id|>"):
        expected = len(reference.encode_ordinary(text))
        assert text_tokens("tiny", text, folder) == expected


def test_both_kinds_are_offered_and_no_own_one_takes_a_shipped_name(
    tmp_path: Path,
) -> None:
    written(tmp_path, "tiny")
    written(tmp_path, "cl100k_base", sha256="0" * 64)
    written(tmp_path, "UPPER")
    assert tokenizer_names(tmp_path) == [*SHIPPED, "tiny"]
    assert tokenizer_names(None) == list(SHIPPED)
    assert text_tokens("cl100k_base", "hello world", tmp_path) == 2


async def test_a_chat_costs_what_its_template_adds(tmp_path: Path) -> None:
    folder = written(
        tmp_path, "llama", message_tokens=5, opening_tokens=1, reply_tokens=4
    )
    pool = TokenizerPool(folder)
    await pool.prepare(["llama"])
    assert await pool.prompt("llama", chat("hello", "hello world")) == 2 * 5 + 5 + 3
    assert await pool.texts("llama", ["hello", " world"]) == 2
    pool.close()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sha256": "0" * 64}, "not the file"),
        ({"sha256": "short"}, "names no sha256"),
        ({"sha256": None}, "names no sha256"),
        ({"pattern": ""}, "names no pattern"),
        ({"pattern": "(unclosed"}, "cannot be built"),
        ({"message_tokens": -1}, "from 0 to"),
        ({"reply_tokens": 1.5}, "from 0 to"),
        ({"opening_tokens": 10**9}, "from 0 to"),
        ({"ranks": b"IQ== 0\n"}, "no token for 255 of the bytes"),
        ({"ranks": rank_file([b"he"]) + b"aGVs 3\n"}, "one rank to two"),
        ({"ranks": b"IQ==\n"}, "no rank"),
        ({"ranks": b"!!! 1 2\n"}, "no rank"),
    ],
)
async def test_one_that_is_not_as_described_counts_nothing(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    folder = written(tmp_path, "bad", **fields)
    with pytest.raises(TokenizerError, match=reason):
        encoding("bad", folder)
    pool = TokenizerPool(folder)
    await pool.prepare(["bad"])
    assert await pool.texts("bad", ["hello"]) is None
    pool.close()


@pytest.mark.parametrize("name", ["../tiny", "a/b", "", ".", "..", "T", "x" * 33])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    written(tmp_path, "tiny")
    (tmp_path / "inner").mkdir()
    with pytest.raises(TokenizerError, match="no tokenizer named"):
        tokenizer(name, tmp_path / "inner")


def test_what_is_missing_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TokenizerError, match="cannot be read"):
        tokenizer("none", tmp_path)
    (tmp_path / "text.json").write_bytes(b"[]")
    with pytest.raises(TokenizerError, match="not an object"):
        tokenizer("text", tmp_path)
    (tmp_path / "text.json").write_bytes(b"{")
    with pytest.raises(TokenizerError, match="not JSON"):
        tokenizer("text", tmp_path)
    monkeypatch.setattr(own, "RANK_BYTES_MAX", 100)
    with pytest.raises(TokenizerError, match="larger than 100"):
        encoding("tiny", written(tmp_path, "tiny"))


@pytest.mark.parametrize("unit", ["a", " ", "hello", "\n"])
def test_a_long_run_takes_no_longer_than_its_length(tmp_path: Path, unit: str) -> None:
    folder = written(tmp_path, "tiny")
    text_tokens("tiny", "warm", folder)

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        began = time.perf_counter()
        assert text_tokens("tiny", text, folder) > 0
        return time.perf_counter() - began

    short, long = seconds(100_000), seconds(800_000)
    # Eight times as long; quadratic would be sixty-four times.
    assert long < 24 * short + 0.2


def test_a_text_cut_anywhere_is_counted(tmp_path: Path) -> None:
    folder = written(tmp_path, "tiny")
    text = "hello world, I'll say: 12345 漢字 \r\n\t<|eot_id|> 🎉 é"
    whole = text_tokens("tiny", text, folder)
    for at in range(len(text)):
        parts = [text_tokens("tiny", part, folder) for part in (text[:at], text[at:])]
        assert whole <= sum(parts) + 2
        assert sum(parts) <= len(text.encode())
