"""The two ways to deliver tokens: each in an event of its own, or all in one response.

Failure: what `generation` says; a delivery has none of its own.
"""

from inference.engines.simulator import http1
from inference.engines.simulator.answers import (
    StreamedAnswer,
    TokenEvent,
    whole_answer,
)
from inference.engines.simulator.generation import Generation
from inference.engines.simulator.requests import FinishReason


class StreamedGeneration(Generation):
    """Every token an event of its own, written the moment it is made."""

    __slots__ = ("_answer", "_completion_tokens", "_events")

    def _begin(self) -> None:
        # As under uvicorn, the head leaves before the engine has made anything.
        self._write(http1.STREAM_HEAD)
        self._completion_tokens = 0
        self._answer = StreamedAnswer(self._order, self._label)
        self._events: list[TokenEvent] = [
            self._answer.token_event(index) for index in range(len(self._order.choices))
        ]

    def _open(self) -> None:
        opening = self._answer.opening()
        if opening:
            self._write(opening)

    def _delay(self, index: int, *, by: int) -> None:
        event = self._events[index]
        self._events[index] = lambda number: event(number - by)

    def _emit(self, number: int) -> None:
        if number == self._next_end and self._behaviour.finish_with_text:
            for index in self._live:
                if self._end_of(index) > number:
                    self._write(self._events[index](number))
            return
        for index in self._live:
            self._write(self._events[index](number))

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        with_text = self._behaviour.finish_with_text and reason != "abort"
        self._write(
            self._answer.finish_event(
                index, tokens=tokens, reason=reason, with_text=with_text
            )
        )
        self._counters.finished[reason] += 1
        self._completion_tokens += tokens

    def _complete(self) -> None:
        self._write(
            self._answer.closing(
                completion_tokens=self._completion_tokens,
                prefill=self._reported_prefill(),
            )
        )


class WholeGeneration(Generation):
    """Tokens gathered into one response at the end."""

    __slots__ = ("_endings",)

    def _begin(self) -> None:
        self._endings: list[tuple[int, FinishReason]] = [(0, "abort")] * len(
            self._order.choices
        )

    def _step(self) -> None:
        if self._pause_s and self._order.pooled is None:
            return super()._step()
        # Nobody sees the tokens one by one: make them all at once.
        choices, live = self._order.choices, self._live
        self._counters.generation_tokens += sum(choices[each].tokens for each in live)
        for index in live:
            choice = choices[index]
            self._end(index, tokens=choice.tokens, reason=choice.finish_reason)
        self._live = []
        self._release(len(live))
        return self._rest()

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        self._counters.finished[reason] += 1
        self._endings[index] = (tokens, reason)

    def _complete(self) -> None:
        self._write(self._whole())

    def _whole(self) -> bytes:
        pooled = self._order.pooled
        if pooled is not None:
            label = self._label
            return http1.response(pooled(label.request_id, label.created, label.model))
        return whole_answer(
            self._order,
            self._label,
            endings=self._endings,
            prefill=self._reported_prefill(),
        )
