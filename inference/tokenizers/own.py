"""Tokenizers of this installation's own: a rank file and its description, in a folder.

`NAME.tiktoken` holds a token in base64 and its rank on each line; `NAME.json` says by
which rule text is cut before, what a chat template adds, and the hash of the ranks, so
that no half-written or exchanged file counts anything. Files are read once in a
process. Failure: what is missing, too large or not as described is `TokenizerError`.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from inference.tokenizers.shipped import SHIPPED, ShippedTokenizer, TokenizerError
from kit.json_values import is_object

RANK_BYTES_MAX = 64 * 1024 * 1024
DESCRIPTION_BYTES_MAX = 64 * 1024
OVERHEAD_TOKENS_MAX = 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COUNTS = ("message_tokens", "opening_tokens", "reply_tokens")


def tokenizer_names(folder: Path | None) -> list[str]:
    """Return the names that a served model's tokenizer may have."""
    found = sorted(folder.glob("*.json")) if folder else []
    own = [path.stem for path in found if _NAME.fullmatch(path.stem)]
    return [*SHIPPED, *(name for name in own if name not in SHIPPED)]


@cache
def tokenizer(name: str, folder: Path | None) -> ShippedTokenizer:
    """Return a tokenizer's description, shipped or the folder's own."""
    if name in SHIPPED:
        return SHIPPED[name]
    if folder is None or not _NAME.fullmatch(name):
        raise TokenizerError(f"there is no tokenizer named {name[:64]}")
    values = _described(folder / f"{name}.json")
    rule, sha256 = values.get("pattern"), values.get("sha256")
    if not isinstance(rule, str) or not rule:
        raise TokenizerError(f"{name}.json names no pattern")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise TokenizerError(f"{name}.json names no sha256")
    counts: dict[str, int] = {}
    for field in _COUNTS:
        if field in values:
            counts[field] = _overhead(values[field], f"{name}.json: {field}")
    return ShippedTokenizer(sha256, rule, **counts)


def own_ranks(name: str, folder: Path) -> bytes:
    """Return the ranks of one of the folder's own; their hash is not yet looked at."""
    return _read(folder / f"{name}.tiktoken", bytes_max=RANK_BYTES_MAX)


def _described(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_read(path, bytes_max=DESCRIPTION_BYTES_MAX))
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path.name} is not JSON") from error
    if not is_object(values):
        raise TokenizerError(f"{path.name} is not an object")
    return values


def _read(path: Path, *, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise TokenizerError(f"{path.name} cannot be read") from error
    if len(data) > bytes_max:
        raise TokenizerError(f"{path.name} is larger than {bytes_max:,} bytes")
    return data


def _overhead(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= OVERHEAD_TOKENS_MAX:
        raise TokenizerError(f"{name} must be from 0 to {OVERHEAD_TOKENS_MAX}")
    return value
