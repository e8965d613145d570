"""Fill the shapes: one answer's bytes, streamed chunk by chunk or whole. Pure.

Every event of a stream is one SSE event and one HTTP chunk. With several choices each
has its own running count, and only the last usage chunk is their sum, as in vLLM.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson

from inference.engines.simulator import http1
from inference.engines.simulator.prefix_cache import Prefill
from inference.engines.simulator.requests import FinishReason, Order
from inference.engines.simulator.shapes import CHAT, COMPLETION, FINGERPRINT
from inference.engines.simulator.tokens import answer_text

# Returns the event of token k of one choice, framed as an HTTP chunk.
TokenEvent = Callable[[int], bytes]

_DONE = http1.chunk(b"data: [DONE]\n\n") + http1.STREAM_END
_FINISH_REASONS: dict[FinishReason, bytes] = {
    "stop": b'"stop"',
    "length": b'"length"',
    "abort": b'"abort"',
}


@dataclass(frozen=True, slots=True)
class Label:
    """What every chunk of one answer repeats."""

    request_id: str
    created: int
    model: str


class StreamedAnswer:
    """The chunks of one stream, for `order.choices` in parallel."""

    __slots__ = ("_chunks", "_dialect", "_label", "_order", "_shared")

    def __init__(self, order: Order, label: Label) -> None:
        """Choose the templates and encode what all chunks share."""
        self._order = order
        self._label = label
        self._dialect = CHAT if order.chat else COMPLETION
        self._chunks = (
            self._dialect.running if order.running_usage else self._dialect.plain
        )
        # What is filled in first is part of the template that is filled next.
        self._shared = (
            _json(self._dialect.id_prefix + label.request_id).replace(b"%", b"%%"),
            label.created,
            _json(label.model).replace(b"%", b"%%"),
        )

    def opening(self) -> bytes:
        """Return the role chunk of every choice; completions have none."""
        template = self._chunks.opening
        if not template:
            return b""
        events: list[bytes] = []
        for index, choice in enumerate(self._order.choices):
            prompt = choice.prompt_tokens
            counts = (prompt, prompt) if self._order.running_usage else ()
            # The opening has no second step; an empty one undoubles the percent signs.
            event = template % (*self._shared, index, *counts) % ()
            events.append(http1.chunk(b"data: %b\n\n" % event))
        return b"".join(events)

    def token_event(self, index: int) -> TokenEvent:
        """Return the function that makes the token events of choice `index`."""
        prompt = self._order.choices[index].prompt_tokens
        counts = (prompt,) if self._order.running_usage else ()
        filled = self._chunks.token % (*self._shared, index, *counts)
        template = b"data: %b\n\n" % filled
        # The hottest lines of the package: framed here rather than by a second call.
        if self._order.running_usage:

            def event(number: int) -> bytes:
                data = template % (number, prompt + number, number)
                return b"%x\r\n%b\r\n" % (len(data), data)

        else:

            def event(number: int) -> bytes:
                data = template % number
                return b"%x\r\n%b\r\n" % (len(data), data)

        return event

    def finish_event(
        self, index: int, *, tokens: int, reason: FinishReason, with_text: bool
    ) -> bytes:
        """Return the finish chunk of choice `index` after `tokens` tokens.

        With text, it carries the last of them.
        """
        running = self._order.running_usage
        prompt = self._order.choices[index].prompt_tokens
        template = self._chunks.finish_with_text if with_text else self._chunks.finish
        counts = (prompt,) if running else ()
        filled = template % (*self._shared, index, _FINISH_REASONS[reason], *counts)
        numbers = (tokens,) if with_text else ()
        totals = (prompt + tokens, tokens) if running else ()
        return http1.chunk(b"data: %b\n\n" % (filled % (*numbers, *totals)))

    def closing(self, *, completion_tokens: int, prefill: Prefill) -> bytes:
        """Return what follows the last finish chunk: usage where wanted, `[DONE]`."""
        if not self._order.include_usage:
            return _DONE
        prompt = self._order.prompt_tokens
        details = {"cached_tokens": prefill.cached_tokens}
        if self._dialect.tells_created:
            details["created_cache_tokens"] = prefill.created_tokens
        usage = orjson.dumps(
            {
                "id": self._dialect.id_prefix + self._label.request_id,
                "object": self._dialect.chunk_object,
                "created": self._label.created,
                "model": self._label.model,
                "choices": [],
                "usage": {
                    "prompt_tokens": prompt,
                    "total_tokens": prompt + completion_tokens,
                    "completion_tokens": completion_tokens,
                    "prompt_tokens_details": details,
                },
                "system_fingerprint": FINGERPRINT,
            }
        )
        return http1.chunk(b"data: %b\n\n" % usage) + _DONE


def whole_answer(
    order: Order,
    label: Label,
    *,
    endings: Sequence[tuple[int, FinishReason]],
    prefill: Prefill,
) -> bytes:
    """Return the unstreamed answer as a response; one (tokens, reason) per choice."""
    dialect = CHAT if order.chat else COMPLETION
    choices = b",".join(
        dialect.whole_choice % (index, _answer_json(tokens), _FINISH_REASONS[reason])
        for index, (tokens, reason) in enumerate(endings)
    )
    completion = sum(tokens for tokens, _ in endings)
    created = (prefill.created_tokens,) if dialect.tells_created else ()
    return http1.response(
        dialect.whole
        % (
            _json(dialect.id_prefix + label.request_id),
            label.created,
            _json(label.model),
            b"[%b]" % choices,
            order.prompt_tokens,
            order.prompt_tokens + completion,
            completion,
            prefill.cached_tokens,
            *created,
        )
    )


@lru_cache(maxsize=128)
def _answer_json(tokens: int) -> bytes:
    return orjson.dumps(answer_text(tokens))


def _json(text: str) -> bytes:
    return orjson.dumps(text)
