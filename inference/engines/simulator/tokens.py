"""Numbered tokens out, counted words in: the simulator's stand-in for a tokenizer.

Answers: token k of a choice, counted from 1, has the text " t<k>", so that any
transcript proves which tokens were delivered; `delivered_tokens` reads the proof.

Prompts: every whitespace-separated word is one token; a chat adds `MESSAGE_MARKERS`
to each message and `REPLY_MARKERS` once, as a chat template would. Anything that is
not text (tools, tool calls, media parts) counts one token per `BYTES_PER_TOKEN` of
its JSON. A prompt is never shorter than one token. Pure: the same prompt has the same
count for ever.
"""

import json
import zlib
from collections.abc import Iterable
from typing import Any

from kit.json_values import is_array, is_object

NUMBER_PREFIX = " t"
MESSAGE_MARKERS = ("<|start|>", "<|role|>", "<|message|>", "<|end|>")
REPLY_MARKERS = ("<|start|>", "<|assistant|>", "<|message|>")
EMPTY_PROMPT = ("<|begin|>",)
BYTES_PER_TOKEN = 4
_VOCABULARY_SIZE = 50_000


class TranscriptError(ValueError):
    """A text that is not the first tokens of an answer, whole and in order."""


def delivered_tokens(text: str) -> int:
    """Return how many tokens `text` delivers.

    Raises `TranscriptError` if a token is missing, doubled, out of order or cut in two.
    """
    if not text:
        return 0
    head, *numbers = text.split(NUMBER_PREFIX)
    if head:
        raise TranscriptError(f"text before the first token: {head[:40]!r}")
    for expected, number in enumerate(numbers, start=1):
        if number != str(expected):
            raise TranscriptError(f"token {expected} expected, found {number[:40]!r}")
    return len(numbers)


def answer_text(count: int) -> str:
    """Return the text of tokens 1 to `count`."""
    return "".join(f"{NUMBER_PREFIX}{number}" for number in range(1, count + 1))


def text_tokens(text: str) -> list[str]:
    """Return the tokens of a plain prompt."""
    return text.split() or list(EMPTY_PROMPT)


def chat_tokens(
    messages: Iterable[dict[str, Any]], *, tools: object = None
) -> list[str]:
    """Return the tokens of a conversation, the opening of the reply included."""
    tokens: list[str] = _structure_tokens(tools) if tools else []
    for message in messages:
        tokens += MESSAGE_MARKERS
        tokens += _content_tokens(message.get("content"))
        if message.get("tool_calls"):
            tokens += _structure_tokens(message["tool_calls"])
    tokens += REPLY_MARKERS
    return tokens


def token_id(token: str) -> int:
    """Return a stable number for `token`; two tokens may share one."""
    return zlib.crc32(token.encode("utf-8", "surrogatepass")) % _VOCABULARY_SIZE


def _content_tokens(content: object) -> list[str]:
    if isinstance(content, str):
        return content.split()
    if not is_array(content):
        return []
    tokens: list[str] = []
    for part in content:
        text = part.get("text") if is_object(part) else part
        tokens += text.split() if isinstance(text, str) else _structure_tokens(part)
    return tokens


def _structure_tokens(value: object) -> list[str]:
    serialised = json.dumps(value, separators=(",", ":"))
    return [
        serialised[start : start + BYTES_PER_TOKEN]
        for start in range(0, len(serialised), BYTES_PER_TOKEN)
    ]
