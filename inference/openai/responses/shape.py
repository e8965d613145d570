"""Show a chat's answer as a response: typed events with numbers, or one object.

A stream opens with `response.created`, tells of each item of the output as it is
written, and ends, once the usage is committed, with `response.completed`, or
`response.incomplete` where the answer was cut short. What repeats a whole item stands
behind its last delta, so that no text comes later than it is counted.

An error ends it with `response.failed`, which has the usage of what was sent where the
engine counts as it goes, and no output: the deltas were it. The event `error` follows,
for which the SDKs raise.

Failure: an answer of more than `CHARACTERS_MAX`, or of more than `ITEMS_MAX` items, is
a `StreamFormatError`, for all its text is kept until it ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from inference.openai.responses.errors import ResponsesErrors, error_event, failure_of
from inference.openai.responses.framing import framed
from inference.openai.responses.output import Output
from inference.openai.stream import StreamFormatError
from kit.contracts import TokenCounts
from kit.errors import PlatformError
from kit.json_values import JsonObject, is_array, is_object

CHARACTERS_MAX = 16 * 1024 * 1024
ITEMS_MAX = 1024
# Why an answer is not all there, by the finish of the chat that it was.
_CUTS: Mapping[str, str] = {
    "content_filter": "content_filter",
    "length": "max_output_tokens",
}


@dataclass(frozen=True, slots=True)
class Outline:
    """What a response says of its request, from its first event to its last."""

    key: str
    model: str
    fields: JsonObject

    def response(self, status: str, frame: "_Frame", **said: Any) -> JsonObject:
        """Return the response as it stands."""
        return {
            "id": f"resp_{self.key}",
            "object": "response",
            "created_at": frame.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": frame.model or self.model,
            "output": [],
            "usage": None,
            **self.fields,
            **said,
        }

    def ended(
        self, output: Output, reason: Any, counts: TokenCounts, *, frame: "_Frame"
    ) -> JsonObject:
        """Return a response that is over, for this reason of a chat's finish."""
        cut = _cut(reason)
        return self.response(
            "completed" if cut is None else "incomplete",
            frame,
            incomplete_details=None if cut is None else {"reason": cut},
            output=output.shown(),
            usage=usage_of(counts),
        )


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a chat says of itself: when it was made, and by which of the models.

    An alias was asked for, perhaps: what answers is the model that it stands for.
    """

    created: int = 0
    model: str = ""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "_Frame":
        """Read a chunk, or a whole answer."""
        created, model = said.get("created"), said.get("model")
        return cls(
            created if isinstance(created, int) else 0,
            model if isinstance(model, str) else "",
        )


class ResponsesShape(ResponsesErrors):
    """One response."""

    wants_usage = True

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._output = Output(outline.key)
        self._frame = _Frame()
        self._reason: Any = None
        self._number = 0
        self._usage: TokenCounts | None = None
        # The last two as they stood before the last chunk.
        self._before: tuple[int, TokenCounts | None] = (0, None)

    def event(self, chunk: bytes) -> bytes:
        """Return what a chunk adds; its finish waits for the end."""
        said = _parsed(chunk)
        self._before = self._number, self._usage
        if not self._number:
            self._frame = _Frame.of(said)
        events: list[JsonObject] = []
        choices = said.get("choices")
        for choice in choices if is_array(choices) else ():
            if is_object(choice):
                events += self._take(choice)
        if is_object(usage := said.get("usage")):
            self._note(usage)
        # An answer that ends before it has begun opens at its end.
        if not self._number and (events or self._reason is None):
            events = self._opening() + events
        return self._framed(events)

    def take_back(self) -> None:
        """Forget that the last chunk was shown: it will not be sent."""
        self._number, self._usage = self._before

    def ending(self, counts: TokenCounts) -> bytes:
        """Return the ends of all that is open, and the response as it is settled."""
        events = [] if self._number else self._opening()
        events += self._output.finish(is_cut=_cut(self._reason) is not None)
        response = self._outline.ended(
            self._output, self._reason, counts, frame=self._frame
        )
        events.append({"type": f"response.{response['status']}", "response": response})
        return self._framed(events)

    def answer(self, answer: JsonObject, counts: TokenCounts) -> JsonObject:
        """Return the response that a whole chat's answer is."""
        output = Output(self._outline.key)
        choice: Mapping[str, Any] = answer["choices"][0]
        message, reason = choice.get("message"), choice.get("finish_reason")
        if is_object(message):
            output.take(message, choice.get("logprobs"))
        output.finish(is_cut=_cut(reason) is not None)
        return self._outline.ended(output, reason, counts, frame=_Frame.of(answer))

    def last_event(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the response as it failed, and the error."""
        events = [] if self._number else self._opening()
        usage = self._usage
        failed = self._outline.response(
            "failed",
            self._frame,
            error=failure_of(error),
            # Before its first token, an answer is not charged.
            usage=usage_of(usage) if usage and usage.output_tokens else None,
        )
        events.append({"type": "response.failed", "response": failed})
        events.append(error_event(error))
        return self._framed(events)

    def _opening(self) -> list[JsonObject]:
        response = self._outline.response("in_progress", self._frame)
        return [
            {"type": "response.created", "response": response},
            {"type": "response.in_progress", "response": response},
        ]

    def _take(self, choice: Mapping[str, Any]) -> list[JsonObject]:
        if isinstance(reason := choice.get("finish_reason"), str):
            self._reason = reason
        delta = choice.get("delta")
        if not is_object(delta):
            return []
        events = self._output.take(delta, choice.get("logprobs"))
        if len(self._output) > ITEMS_MAX or self._output.characters > CHARACTERS_MAX:
            raise StreamFormatError("an answer that is too large")
        return events

    def _note(self, usage: Mapping[str, Any]) -> None:
        """Keep how much has been used, as far as the engine says so."""
        prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(output, int):
            self._usage = TokenCounts(input_tokens=prompt, output_tokens=output)

    def _framed(self, events: list[JsonObject]) -> bytes:
        first = self._number
        self._number += len(events)
        return b"".join(
            framed(event, number=number) for number, event in enumerate(events, first)
        )


def _cut(reason: Any) -> str | None:
    """Return why an answer is not all there, or None where it is."""
    return _CUTS.get(reason) if isinstance(reason, str) else None


def usage_of(counts: TokenCounts) -> JsonObject:
    """Return counts in the form of the Responses API."""
    prompt = counts.input_tokens + counts.cached_input_tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": counts.cached_input_tokens,
            "cache_write_tokens": 0,
        },
        "output_tokens": counts.output_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": prompt + counts.output_tokens,
    }


def _parsed(chunk: bytes) -> JsonObject:
    try:
        said = orjson.loads(chunk)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an event that is not JSON") from error
    if not is_object(said):
        raise StreamFormatError("an event that is not an object")
    return said
