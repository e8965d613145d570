"""Carry an engine's stream to the client and settle it.

Bytes go through as they come; what follows the last token waits for the commit. Where
budgets are counted, no token leaves that is not held: the engine waits while more is
got. Every exit settles exactly once, and only what was handed over is billed as output.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import structlog

from inference.engines.origin import EngineError, EngineLostError
from inference.gateway.answering import Answering
from inference.gateway.connection import ClientGoneError, Downstream
from inference.gateway.holding import Gate
from inference.gateway.http import HttpRequest
from inference.gateway.live import EndedError
from inference.gateway.settle import Settlement, judge
from inference.openai.sse import EVENT_BYTES_MAX, EventTooLargeError
from inference.openai.stream import StreamOptions, StreamTranslator
from inference.openai.transcript import Marks
from kit.contracts import DatabaseAwayError, EventStatus, TokenCounts
from kit.errors import ServiceUnavailable

# What is handed over in one piece counts only as a whole.
PIECE_BYTES = 4 * 1024
# How long an engine may take to end an answer that is complete.
TAIL_S_MAX = 2.0

log = structlog.get_logger("tollgate.gateway")


async def relay_stream(
    http: HttpRequest,
    attempt: Answering,
    settlement: Settlement,
    options: StreamOptions,
    gate: Gate | None,
) -> None:
    """Stream an answer; raises `PlatformError` only before the client's first byte."""
    translator = StreamTranslator(options)
    handover = _Handover(http, settlement, translator, gate)
    try:
        await _pump(attempt, handover)
    except BaseException as error:
        attempt.exchange.close()
        attempt.broke_off(error)
        status, reply = judge(error)
        settlement.end(status, translator.tally, translator.transcript)
        if not isinstance(error, Exception):
            raise
        if reply is None:
            raise
        if not http.is_started:
            raise reply from error
        await http.fail(reply)
        return
    try:
        await _finish_stream(http, settlement, translator)
    except BaseException:
        attempt.exchange.close()
        raise
    await finish_exchange(attempt)


async def _pump(attempt: Answering, handover: "_Handover") -> None:
    """Carry the stream up to its last token; return once its usage is known."""
    reader = attempt.reader()
    translator = handover.translator
    silent_bytes = 0
    while not translator.is_complete:
        data = await attempt.exchange.read()
        if not data:
            break
        found = reader.feed(data)
        silent_bytes = 0 if found else silent_bytes + len(data)
        if silent_bytes > EVENT_BYTES_MAX:
            raise EventTooLargeError
        for events in _pieces(found, handover.http.downstream):
            await handover.pass_on(events)
            attempt.exchange.raise_if_stopped()
            if translator.failure is not None:
                raise translator.failure
    if not translator.is_whole:
        raise EngineLostError("the stream ended early")
    attempt.done()
    if handover.gate is not None:
        # The finish, too, may be a token, and the last usage larger than the running.
        await handover.gate.require(
            handover.gate.counts(translator.tally, translator.transcript)
        )


@dataclass(slots=True)
class _Handover:
    """Hands a stream's events over, as far as they are held."""

    http: HttpRequest
    settlement: Settlement
    translator: StreamTranslator
    gate: Gate | None
    # What is held and not written yet, and how it all stood with the last of it.
    _out: list[bytes] = field(default_factory=list[bytes])
    _output_tokens: int = 0
    _chunks: int = 0
    _marks: Marks = field(default_factory=dict[int, tuple[int, int]])
    _counts: TokenCounts = field(default_factory=TokenCounts)
    # The same as far as the engine counted it: text that it did not is bounded above.
    _counted: TokenCounts = field(default_factory=TokenCounts)

    async def pass_on(self, events: list[bytes]) -> None:
        """Hand one piece over; see `Gate` for what that may raise."""
        if self.gate is not None:
            await self._pass_on_held(events, self.gate)
            return
        if out := self.translator.feed(events):
            await self._write(out, self.translator.tally.counts())
            self.settlement.handed_over(
                self.translator.tally.output_tokens,
                self.translator.transcript,
                chunks=self.translator.chunks,
                is_slow=self.http.downstream.is_slow,
            )

    async def _pass_on_held(self, events: list[bytes], gate: Gate) -> None:
        """Hand over as much at once as is held; wait with the rest until it is, too.

        Near a budget's end each event goes by itself: what is not used yet is what
        others wait for.
        """
        tally, transcript = self.translator.tally, self.translator.transcript
        for event in events:
            out = self.translator.feed([event])
            if out:
                counts = gate.counts(tally, transcript)
                needed = counts
                if not self.http.is_started and not counts.output_tokens:
                    # No stream begins that would not come to its first token.
                    needed = replace(counts, output_tokens=1)
                if not gate.covers(needed):
                    await self._send(gate)
                    await self._extend(gate, needed)
                self._out.append(out)
                self._output_tokens, self._counts = tally.output_tokens, counts
                self._counted = tally.counts()
                self._chunks = self.translator.chunks
                self._marks = transcript.marks() if transcript else {}
                if gate.is_tight:
                    await self._send(gate)
            if self.translator.failure is not None:
                break
        await self._send(gate)

    async def _extend(self, gate: Gate, needed: TokenCounts) -> None:
        try:
            await gate.extend(needed)
        except BaseException:
            # What ends the stream follows what was sent, not what was to come next.
            self.translator.take_back()
            raise

    async def _send(self, gate: Gate) -> None:
        if not self._out:
            return
        out = b"".join(self._out)
        self._out.clear()
        await self._write(out, self._counted)
        self.settlement.handed_over(
            self._output_tokens,
            self.translator.transcript,
            self._marks,
            chunks=self._chunks,
            is_slow=self.http.downstream.is_slow,
        )
        gate.handed_over(self._counts)

    async def _write(self, out: bytes, counts: TokenCounts) -> None:
        if not self.http.is_started:
            begins = self.translator.chunks > 0
            self.http.add_headers(self.settlement.headers(begins=begins))
            await self.http.start_stream()
        self.settlement.offered(counts)
        await self.http.write(out)
        await self.http.downstream.drained()


def _pieces(events: list[bytes], downstream: Downstream) -> Iterator[list[bytes]]:
    """Cut what came at once, so that a client who leaves pays for what it took.

    A fast client gets a few thousand bytes at a time, as long as the kernel is sure to
    take them whole; any other gets event by event, for it may leave between any two.
    """
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


async def _finish_stream(
    http: HttpRequest, settlement: Settlement, translator: StreamTranslator
) -> None:
    """Release what follows the last token once the usage is committed."""
    settlement.handed_over(translator.tally.output_tokens, translator.transcript)
    commit = settlement.end(EventStatus.OK, translator.tally, translator.transcript)
    if not http.is_started:
        http.add_headers(settlement.headers())
        await http.start_stream()
    try:
        await asyncio.shield(commit)
    except DatabaseAwayError:
        await http.fail(
            ServiceUnavailable("The end of this answer could not be recorded.")
        )
        return
    await http.write(translator.ending(settlement.counts), last=True)


async def finish_exchange(attempt: Answering) -> None:
    """Read an answer to its end, so that its connection can be used again."""
    exchange = attempt.exchange
    try:
        async with asyncio.timeout(TAIL_S_MAX):
            while await exchange.read():
                pass
    except (EngineError, ClientGoneError, EndedError, TimeoutError):
        log.debug("engine_lost_after_answer", replica=attempt.replica.name)
    finally:
        exchange.close()
