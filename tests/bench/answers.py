"""Was an answer whole, and when did its tokens come? Pure: bytes and times in.

The engine numbers its tokens, so a transcript proves that none was lost, doubled, cut
or reordered on the way. A token has arrived with the bytes that complete its text.
"""

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import orjson

from inference.engines.simulator.tokens import (
    TranscriptError,
    answer_text,
    delivered_tokens,
)

_TEXT = b'"content":"'
_QUOTE = b'"'
_USAGE = re.compile(rb'"completion_tokens":(\d+)')
_DONE = b"data: [DONE]\n\n"
_SHOWN_BYTES = 120


class Verdict(enum.Enum):
    """What became of a request."""

    WHOLE = "whole"
    # Refused, or answered with an error: it said so.
    ERROR = "error"
    # It passed for an answer and was none.
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came: the parts of its body, and when each was read."""

    status: int
    sent_ns: int
    parts: Sequence[bytes]
    arrived_ns: Sequence[int]


def judge(answer: Answer, *, tokens: int, stream: bool) -> tuple[Verdict, str]:
    """Tell whether the answer holds exactly the tokens asked for; if not, why."""
    body = b"".join(answer.parts)
    if answer.status != 200:
        return Verdict.ERROR, f"status {answer.status}: {_shown(body)}"
    reason = _stream_fault(body, tokens) if stream else _whole_fault(body, tokens)
    return (Verdict.BROKEN, reason) if reason else (Verdict.WHOLE, "")


def token_times_ns(answer: Answer) -> Iterator[int]:
    """Yield when each token of a stream had arrived, in order."""
    body = b"".join(answer.parts)
    arrivals = zip(accumulate(map(len, answer.parts)), answer.arrived_ns, strict=True)
    come, time_ns = 0, answer.sent_ns
    opening = body.find(_TEXT)
    while opening >= 0:
        first = opening + len(_TEXT)
        closing = body.find(_QUOTE, first)
        # The role and the finish have a text too, but nothing is in it.
        if closing > first:
            while come <= closing:
                come, time_ns = next(arrivals)
            yield time_ns
        opening = body.find(_TEXT, first)


def _stream_fault(body: bytes, tokens: int) -> str:
    if not body.endswith(_DONE):
        return f"no end mark: {_shown(body)}"
    texts = b"".join(part[: part.find(_QUOTE)] for part in body.split(_TEXT)[1:])
    if fault := _transcript_fault(texts.decode("latin-1"), tokens):
        return fault
    # Asked for once: more would be the running usage that is nobody's business.
    reports = [int(count) for count in _USAGE.findall(body)]
    return "" if reports == [tokens] else f"reports of usage: {reports[-3:]}"


def _whole_fault(body: bytes, tokens: int) -> str:
    try:
        answer = orjson.loads(body)
        text = answer["choices"][0]["message"]["content"]
        counted = answer["usage"]["completion_tokens"]
    except (ValueError, LookupError, TypeError):
        return f"no answer: {_shown(body)}"
    if fault := _transcript_fault(text, tokens):
        return fault
    return "" if counted == tokens else f"usage of {counted} tokens"


def _transcript_fault(text: str, tokens: int) -> str:
    # Equal is the rule, and many times faster than counting.
    if text == _expected(tokens):
        return ""
    try:
        return f"{delivered_tokens(text)} tokens of {tokens}"
    except TranscriptError as error:
        return str(error)


@lru_cache
def _expected(tokens: int) -> str:
    return answer_text(tokens)


def _shown(body: bytes) -> str:
    return body[-_SHOWN_BYTES:].decode("latin-1").strip()
