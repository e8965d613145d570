"""Answers that go wrong on demand: generations with one fault each.

A stream fails at the first write after `after_tokens` tokens, so that exactly these are
written, made and counted, over all choices together; an answer that is shorter stays
whole. A whole answer has no tokens to see, and fails at its middle or its end.

A stream that broke off is in no `request_success` row. An answer that hangs, or never
began, is under way until its client leaves, which counts as an abort like any other.
"""

from collections.abc import Sequence

from inference.engines.simulator import errors, faults, http1
from inference.engines.simulator.delivering import StreamedGeneration, WholeGeneration
from inference.engines.simulator.generation import Generation
from inference.engines.simulator.requests import FinishReason

_HEAD_END = b"\r\n\r\n"


class _Struck(Exception):
    """The fault has struck: nothing more of the honest answer is written."""


def failing_kind(fault: str, *, stream: bool) -> type[Generation]:
    """Return the generation that fails as `fault` says."""
    if fault == faults.SILENT:
        return Silence
    return FailingStream if stream else FailingWhole


class Silence(Generation):
    """A request that was taken and is never answered."""

    __slots__ = ()

    def start(self) -> None:
        """Take the request; the engine never begins with it."""
        self._counters.requests += 1
        self._counters.faults += 1

    def abort(self) -> None:
        """Let the client go."""
        self._counters.aborted += 1

    def interrupt(self) -> None:
        """Close, because the server stops."""
        self._line.cut()


class FailingStream(StreamedGeneration):
    """A stream that goes wrong after so many tokens."""

    __slots__ = ("_hung", "_lie", "_over", "_struck", "_told")

    def interrupt(self) -> None:
        """End as any stream does when the server stops, unless already stuck."""
        if self._hung:
            return self._break_off(self._line.cut)
        try:
            return super().interrupt()
        except _Struck:
            return self._fail()

    def _begin(self) -> None:
        super()._begin()
        self._write = self._watched
        self._lie: faults.Liar | None = None
        self._struck = False
        self._hung = False
        self._told = [0] * len(self._order.choices)
        self._over: set[int] = set()

    def _join(self, indices: Sequence[int], due: float) -> None:
        if self._hung:
            return
        try:
            self._strike_when_due()
            super()._join(indices, due)
        except _Struck:
            self._fail()

    def _step(self) -> None:
        sequences, told = len(self._live), sum(self._told)
        try:
            super()._step()
        except _Struck:
            # Only what was written was made.
            self._counters.generation_tokens -= sequences - (sum(self._told) - told)
            self._fail()

    def _watched(self, data: bytes) -> None:
        self._strike_when_due()
        self._line.write(faults.lying_events(data, self._lie) if self._lie else data)
        index = faults.choice_of_token(data)
        if index is not None:
            self._told[index] += 1

    def _strike_when_due(self) -> None:
        if not self._struck and sum(self._told) >= self._behaviour.fault_after_tokens:
            self._struck = True
            self._counters.faults += 1
            self._strike()

    def _strike(self) -> None:
        """Spoil the stream and let it go on; raises `_Struck` where it must not."""
        kind = self._behaviour.fault
        self._lie = faults.liar(kind)
        if kind == faults.GARBAGE:
            self._line.write(faults.GARBAGE_EVENT)
        elif kind == faults.CUT_UTF8:
            self._line.write(faults.broken(self._events[0](self._told[0])))
        elif self._lie is None and kind != faults.STRAY_BYTES:
            raise _Struck

    def _fail(self) -> None:
        """End the stream as its fault does."""
        match self._behaviour.fault:
            case faults.HANG:
                self._cancel()
                self._hung = True
            case faults.ABORT:
                super().interrupt()
            case faults.ENGINE_ERROR:
                self._line.write(faults.ENGINE_ERROR_EVENTS)
                self._break_off(self._line.finished)
            case faults.EARLY_END:
                self._line.write(http1.STREAM_END)
                self._break_off(self._line.finished)
            case faults.HALF_EVENT:
                self._line.write(faults.half(self._events[0](self._told[0] + 1)))
                self._break_off(self._line.cut)
            case faults.DIE:
                self._break_off(self._line.cut)
            case _:
                self._break_off(self._line.reset)

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        # An abort may strike between two choices of one step, or of one end.
        if index in self._over:
            return
        told = self._told[index] if reason == "abort" else tokens
        super()._end(index, tokens=told, reason=reason)
        self._over.add(index)

    def _complete(self) -> None:
        super()._complete()
        if self._struck and self._behaviour.fault == faults.STRAY_BYTES:
            self._line.write(faults.STRAY_RESPONSE)


class FailingWhole(WholeGeneration):
    """An unstreamed answer that goes wrong when it is due."""

    __slots__ = ("_hung",)

    def interrupt(self) -> None:
        """End as any answer does when the server stops, unless already stuck."""
        if self._hung:
            return self._break_off(self._line.cut)
        try:
            return super().interrupt()
        except _Struck:
            return self._fail()

    def _begin(self) -> None:
        super()._begin()
        self._hung = False

    def _join(self, indices: Sequence[int], due: float) -> None:
        if self._behaviour.fault == faults.ENGINE_ERROR:
            self._counters.faults += 1
            self._write(errors.engine_dead().response())
            self._break_off(self._line.finished)
        else:
            super()._join(indices, due)

    def _step(self) -> None:
        try:
            super()._step()
        except _Struck:
            self._fail()

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        aborted = self._behaviour.fault == faults.ABORT
        super()._end(index, tokens=tokens, reason="abort" if aborted else reason)

    def _complete(self) -> None:
        """Deliver the answer, spoilt; raises `_Struck` where it breaks off."""
        self._counters.faults += 1
        answer = self._whole()
        head, _, body = answer.partition(_HEAD_END)
        kind = self._behaviour.fault
        lie = faults.liar(kind)
        if lie is not None:
            answer = http1.response(faults.lying_body(body, lie))
        elif kind == faults.GARBAGE:
            answer = http1.response(faults.GARBAGE_BODY)
        elif kind == faults.CUT_UTF8:
            answer = http1.response(faults.with_broken_character(body))
        elif kind == faults.EARLY_END:
            answer = http1.response(body[: len(body) // 2])
        elif kind == faults.STRAY_BYTES:
            answer += faults.STRAY_RESPONSE
        elif kind != faults.ABORT:
            self._write(head + _HEAD_END + body[: len(body) // 2])
            raise _Struck
        self._write(answer)

    def _fail(self) -> None:
        """Leave the answer at its middle, as its fault does."""
        match self._behaviour.fault:
            case faults.HANG:
                self._cancel()
                self._hung = True
            case faults.RESET:
                self._break_off(self._line.reset)
            case _:
                self._break_off(self._line.cut)
