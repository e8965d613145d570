"""Hand a stream's events over, piece by piece, as they come from the engine.

Nobody is woken for a piece: the engine's connection calls `take` with what it has read,
and that writes to the client's. Only where something has to be waited for does it stop:
a client that is slow, tokens that are not held yet. `catch_up` waits for that and hands
over the rest. Each piece is noted before it is written, and again once the kernel has
it. Failure: what the engine sends is no stream of its dialect; what `Gate` raises.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from dataclasses import replace

from inference.gateway.answering import Answering
from inference.gateway.connection import Downstream
from inference.gateway.holding import Gate
from inference.gateway.http import HttpRequest
from inference.gateway.settle import Settlement
from inference.openai.sse import EVENT_BYTES_MAX, EventTooLargeError
from inference.openai.stream import StreamTranslator
from inference.openai.transcript import Marks
from kit.contracts import TokenCounts

# What is handed over in one piece counts only as a whole.
PIECE_BYTES = 4 * 1024

Wait = Callable[[], Awaitable[None]]
# A hand-over as far as it goes by itself; what it yields must be waited for first.
Steps = Generator[Wait, None, None]


class Handover:
    """Hands one stream over, as far as it is held."""

    __slots__ = (
        "_chunks",
        "_counted",
        "_counts",
        "_downstream",
        "_gate",
        "_http",
        "_marks",
        "_out",
        "_output_tokens",
        "_raise_if_stopped",
        "_reader",
        "_settlement",
        "_silent_bytes",
        "_steps",
        "_translator",
        "_wait",
    )

    def __init__(
        self,
        http: HttpRequest,
        settlement: Settlement,
        attempt: Answering,
        translator: StreamTranslator,
        gate: Gate | None,
    ) -> None:
        self._http = http
        self._downstream = http.downstream
        self._settlement = settlement
        self._reader = attempt.reader()
        # Between any two pieces the request may have been ended.
        self._raise_if_stopped = attempt.exchange.raise_if_stopped
        self._translator = translator
        self._gate = gate
        # How much has come since the last event.
        self._silent_bytes = 0
        self._steps: Steps | None = None
        self._wait: Wait | None = None
        # What is held and not written yet, and how it all stood with the last of it.
        self._out: list[bytes] = []
        self._output_tokens = self._chunks = 0
        self._marks: Marks = {}
        self._counts = TokenCounts()
        # The same as far as the engine counted it: text that it did not is bounded.
        self._counted = TokenCounts()

    def take(self, data: bytes) -> bool:
        """Hand over what came; tell whether more of it can be taken at once.

        Else the stream is complete, or `catch_up` comes first.
        """
        events = self._reader.feed(data)
        if events:
            self._silent_bytes = 0
            self._steps = self._pass_on(events)
            self._wait = next(self._steps, None)
            if self._wait is not None:
                return False
        else:
            self._silent_bytes += len(data)
            if self._silent_bytes > EVENT_BYTES_MAX:
                raise EventTooLargeError
        return not self._translator.is_complete

    async def catch_up(self) -> None:
        """Wait for what has to be waited for, until all that came is handed over."""
        while self._steps is not None and self._wait is not None:
            try:
                await self._wait()
            except BaseException as error:
                # As if it had been raised where it was waited for.
                self._steps.throw(error)
                raise
            self._wait = next(self._steps, None)

    def _pass_on(self, events: list[bytes]) -> Steps:
        """Hand over what came, and check between any two pieces what goes on."""
        gate, translator = self._gate, self._translator
        for piece in _pieces(events, self._downstream):
            if gate is None or self._reserves(piece, gate):
                if out := translator.feed(piece):
                    yield from self._send_held(out, gate)
            else:
                yield from self._hold_and_send(piece, gate)
            self._raise_if_stopped()
            if translator.failure is not None:
                raise translator.failure

    def _reserves(self, piece: list[bytes], gate: Gate) -> bool:
        """Tell whether a piece is held as a whole, as far as one can know beforehand.

        An event is a token, nearly always. Should it be more, all of the piece waits.
        """
        translator = self._translator
        expected = translator.tally.output_tokens + len(piece)
        return translator.is_plain and gate.reserves(expected)

    def _send_held(self, out: bytes, gate: Gate | None) -> Steps:
        """Hand over what no budget counts, or what is held."""
        tally, transcript = self._translator.tally, self._translator.transcript
        counts = tally.counts() if gate is None else gate.counts(tally, transcript)
        if gate is not None and not gate.covers(counts):
            yield from self._extend(gate, counts)
        if not self._http.is_started:
            yield self._begin
        # Text that the engine did not count is bounded above for the gate alone.
        is_counted = tally.has_prompt and not transcript
        if not self._write(out, counts if is_counted else tally.counts()):
            yield self._downstream.drained
        self._settlement.handed_over(
            tally.output_tokens,
            transcript,
            chunks=self._translator.chunks,
            is_slow=self._downstream.is_slow,
        )
        if gate is not None:
            gate.handed_over(counts)

    def _hold_and_send(self, events: list[bytes], gate: Gate) -> Steps:
        """Send one piece in as many parts as it is held in.

        Near a budget's end each event goes by itself: what is not used yet is what
        others wait for.
        """
        for number, event in enumerate(events, 1):
            yield from self._hold([event], gate)
            if self._translator.failure is not None:
                break
            rest = events[number:]
            # The first of a stream tells how long its prompt is.
            if rest and number == 1 and self._reserves(rest, gate):
                yield from self._hold(rest, gate)
                break
        yield from self._send(gate)

    def _hold(self, events: list[bytes], gate: Gate) -> Steps:
        """Let events be sent once they are held; what is held already goes before."""
        translator = self._translator
        out = translator.feed(events)
        if not out:
            return
        tally, transcript = translator.tally, translator.transcript
        counts = needed = gate.counts(tally, transcript)
        if not self._http.is_started and not counts.output_tokens:
            # No stream begins that would not come to its first token.
            needed = replace(counts, output_tokens=1)
        if not gate.covers(needed):
            yield from self._send(gate)
            yield from self._extend(gate, needed)
        self._out.append(out)
        self._output_tokens, self._counts = tally.output_tokens, counts
        self._counted = tally.counts()
        self._chunks = translator.chunks
        self._marks = transcript.marks() if transcript else {}
        if gate.is_tight:
            yield from self._send(gate)

    def _extend(self, gate: Gate, needed: TokenCounts) -> Steps:
        try:
            yield lambda: gate.extend(needed)
        except BaseException:
            # What ends the stream follows what was sent, not what was to come next.
            self._translator.take_back()
            raise

    def _send(self, gate: Gate) -> Steps:
        if not self._out:
            return
        out = b"".join(self._out)
        self._out.clear()
        if not self._http.is_started:
            yield self._begin
        if not self._write(out, self._counted):
            yield self._downstream.drained
        self._settlement.handed_over(
            self._output_tokens,
            self._translator.transcript,
            self._marks,
            chunks=self._chunks,
            is_slow=self._downstream.is_slow,
        )
        gate.handed_over(self._counts)

    async def _begin(self) -> None:
        """Write the head of the answer, which leaves with its first piece."""
        begins = self._translator.chunks > 0
        self._http.add_headers(self._settlement.headers(begins=begins))
        await self._http.start_stream()

    def _write(self, out: bytes, counts: TokenCounts) -> bool:
        """Write one piece; tell whether the kernel has it, and the client is there."""
        self._settlement.offered(counts)
        self._downstream.write(out)
        return self._downstream.has_all


def _pieces(events: list[bytes], downstream: Downstream) -> Iterable[list[bytes]]:
    """Cut what came at once, so that a client who leaves pays for what it took.

    Mostly that is one event, or few. A fast client gets a few thousand bytes at a time,
    as long as the kernel is sure to take them whole; any other gets event by event, for
    it may leave between any two.
    """
    if len(events) == 1:
        return (events,)
    size = sum(map(len, events))
    if size <= PIECE_BYTES and downstream.takes_whole(size + PIECE_BYTES):
        return (events,)
    return _cut(events, downstream)


def _cut(events: list[bytes], downstream: Downstream) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for event in events:
        if piece and (
            size + len(event) > PIECE_BYTES
            # Twice: an event gains its framing on the way.
            or (len(piece) == 1 and not downstream.takes_whole(2 * PIECE_BYTES))
        ):
            yield piece
            piece, size = [], 0
        piece.append(event)
        size += len(event)
    if piece:
        yield piece
