"""The faults that a simulator shows on demand: their names, and the bytes they send.

A fault strikes after so many tokens of a stream; `failing` decides when, and acts. Here
is what needs no connection: which faults there are, and how bytes are spoiled. Pure.

Three kinds. Some end an answer before its time (`die`, `reset`, `hang`, `early_end`,
`half_event`, `engine_error`, `abort`). Some spoil a piece and go on (`garbage`,
`cut_utf8`, `stray_bytes`). Some lie about usage from their token on. Beside them,
`refuse` and `tokenize_refuse` answer 503, `reset_early` and `silent` not at all.
"""

from collections.abc import Callable
from typing import Any

import orjson

from inference.engines.simulator import errors, http1
from inference.engines.simulator.tokens import NUMBER_PREFIX

REFUSE = "refuse"
RESET_EARLY = "reset_early"
SILENT = "silent"
DIE = "die"
RESET = "reset"
HANG = "hang"
EARLY_END = "early_end"
ENGINE_ERROR = "engine_error"
ABORT = "abort"
GARBAGE = "garbage"
HALF_EVENT = "half_event"
CUT_UTF8 = "cut_utf8"
NO_USAGE = "no_usage"
WRONG_USAGE = "wrong_usage"
WRONG_USAGE_TEXT = "wrong_usage_text"
WRONG_USAGE_NEGATIVE = "wrong_usage_negative"
WRONG_USAGE_MISSING = "wrong_usage_missing"
FALLING_USAGE = "falling_usage"
STRAY_BYTES = "stray_bytes"
TOKENIZE_REFUSE = "tokenize_refuse"

FAULTS = (
    REFUSE,
    RESET_EARLY,
    SILENT,
    DIE,
    RESET,
    HANG,
    EARLY_END,
    ENGINE_ERROR,
    ABORT,
    GARBAGE,
    HALF_EVENT,
    CUT_UTF8,
    NO_USAGE,
    WRONG_USAGE,
    WRONG_USAGE_TEXT,
    WRONG_USAGE_NEGATIVE,
    WRONG_USAGE_MISSING,
    FALLING_USAGE,
    STRAY_BYTES,
    TOKENIZE_REFUSE,
)
# Those that a request for an answer meets.
GENERATION_FAULTS = frozenset(FAULTS) - {TOKENIZE_REFUSE}

COUNTS = ("prompt_tokens", "total_tokens", "completion_tokens")

Usage = dict[str, Any]

# Takes an honest usage, the index of the choice whose running count it is (none: the
# final sum), and whether its event carries a token; returns what to say instead, or
# nothing to say no usage at all.
Liar = Callable[[Usage, int | None, bool], Usage | None]

_TEXT_START = f'":"{NUMBER_PREFIX}'.encode()
_STRING_START = b'":"'
_BROKEN_CHARACTER = b"\xe2\x82"
_EVENT_START, _EVENT_END = b"data: ", b"\n\n"

GARBAGE_EVENT = http1.chunk(b'data: {"id":"chatcmpl-\x00,,}\n\n')
GARBAGE_BODY = b'{"id":"chatcmpl-\x00,,}'
ENGINE_ERROR_EVENTS = (
    http1.chunk(b"data: %b\n\n" % orjson.dumps(errors.engine_dead().body))
    + http1.chunk(b"data: [DONE]\n\n")
    + http1.STREAM_END
)
STRAY_RESPONSE = http1.response(b'{"stray":true}')


def choice_of_token(event: bytes) -> int | None:
    """Return the choice whose numbered token this event of a stream carries, if any."""
    # A quotation mark inside a JSON string is escaped: only the key can precede this.
    if _TEXT_START not in event:
        return None
    (choice,) = _read(_payloads(event)[0])["choices"]
    index: int = choice["index"]
    return index


def half(event: bytes) -> bytes:
    """Return the first half of one event, as a chunk that is itself whole."""
    payload = _payloads(event)[0]
    return http1.chunk(payload[: len(payload) // 2])


def broken(event: bytes) -> bytes:
    """Return a token's event as a chunk whose text is no UTF-8."""
    return http1.chunk(with_broken_character(_payloads(event)[0]))


def with_broken_character(answer: bytes) -> bytes:
    """Return `answer` with two bytes of a three-byte character as its first text."""
    found = max(answer.find(_TEXT_START), answer.index(_STRING_START))
    start = found + len(_STRING_START)
    end = answer.index(b'"', start)
    return answer[:start] + _BROKEN_CHARACTER + answer[end:]


def liar(kind: str) -> Liar | None:
    """Return a fresh liar for a fault about usage, none for any other fault."""
    if kind == FALLING_USAGE:
        return Falling()
    return _LIARS.get(kind)


def lying_events(events: bytes, lie: Liar) -> bytes:
    """Return the chunks of a stream with their usage replaced by what `lie` says."""
    return b"".join(_lying_event(payload, lie) for payload in _payloads(events))


def lying_body(body: bytes, lie: Liar) -> bytes:
    """Return the body of a whole answer with its usage replaced by what `lie` says."""
    answer = orjson.loads(body)
    usage = lie(answer.pop("usage"), None, True)
    return orjson.dumps(answer if usage is None else answer | {"usage": usage})


class Falling:
    """Counts that fall by one for each token; the final one is lower still."""

    def __init__(self) -> None:
        """Start with what was counted when the first lie is told."""
        self._last_true: dict[int, int] = {}
        self._last_said: dict[int, int] = {}

    def __call__(self, usage: Usage, index: int | None, with_token: bool) -> Usage:
        """Return the usage with a count that is too low."""
        counted = usage.get("completion_tokens", 0)
        if index is None:
            said = sum(self._last_said.values()) if self._last_said else counted
            said = max(0, said - 1)
        else:
            last_true = self._last_true.setdefault(index, counted - with_token)
            said = max(0, 2 * last_true - counted)
            self._last_said[index] = said
        total = usage["prompt_tokens"] + said
        return usage | {"total_tokens": total, "completion_tokens": said}


def _each_count(change: Callable[[int], object]) -> Liar:
    def lie(usage: Usage, _index: int | None, _with_token: bool) -> Usage:
        return usage | {name: change(usage[name]) for name in COUNTS if name in usage}

    return lie


def _without_counts(usage: Usage, _index: int | None, _with_token: bool) -> Usage:
    return {name: value for name, value in usage.items() if name not in COUNTS}


def _nothing(_usage: Usage, _index: int | None, _with_token: bool) -> None:
    return None


_LIARS: dict[str, Liar] = {
    NO_USAGE: _nothing,
    WRONG_USAGE: _each_count(lambda count: count + 0.5),
    WRONG_USAGE_TEXT: _each_count(str),
    # Zero too must come out negative.
    WRONG_USAGE_NEGATIVE: _each_count(lambda count: -1 - count),
    WRONG_USAGE_MISSING: _without_counts,
}


def _lying_event(payload: bytes, lie: Liar) -> bytes:
    if not payload.startswith(_EVENT_START + b"{"):
        return http1.chunk(payload)
    event = _read(payload)
    if "usage" in event:
        choices = event["choices"]
        index = choices[0]["index"] if choices else None
        usage = lie(event["usage"], index, _TEXT_START in payload)
        if usage is not None:
            event["usage"] = usage
        elif choices:
            del event["usage"]
        else:
            return b""
    return http1.chunk(_EVENT_START + orjson.dumps(event) + _EVENT_END)


def _read(payload: bytes) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(
        payload.removeprefix(_EVENT_START).removesuffix(_EVENT_END)
    )
    return event


def _payloads(chunks: bytes) -> list[bytes]:
    """Return what is in the chunks, the last chunk's nothing included."""
    payloads: list[bytes] = []
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size, 16)
        payloads.append(rest[:length])
        chunks = rest[length + len(b"\r\n") :]
    return payloads
