"""Carry an engine's answer to the client and settle it.

Streams: bytes go through as they come; what follows the last token waits for the
commit. Whole answers: the body waits for the commit; one that never reached the kernel
is given back. Either way every exit settles exactly once, and only what was handed over
is billed as output.
"""

import asyncio
import re
from collections.abc import Iterator

import orjson
import structlog

from inference.engines.origin import EngineError, EngineLostError
from inference.gateway.attempt import Attempt
from inference.gateway.connection import ClientGoneError, Downstream
from inference.gateway.http import HttpRequest
from inference.gateway.live import EndedError
from inference.gateway.settle import Settlement, judge
from inference.openai.errors import from_stream
from inference.openai.sse import EventSplitter
from inference.openai.stream import (
    StreamFormatError,
    StreamOptions,
    StreamTranslator,
    refuse_aborted,
    usage_of,
)
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally
from kit.contracts import DatabaseAwayError, EventStatus
from kit.errors import ServiceUnavailable
from kit.json_values import JsonObject, is_array, is_object

ANSWER_BYTES_MAX = 64 * 1024 * 1024
# What is handed over in one piece counts only as a whole.
PIECE_BYTES = 4 * 1024
# How long an engine may take to end an answer that is complete.
TAIL_S_MAX = 2.0

log = structlog.get_logger("tollgate.gateway")


async def relay_stream(
    http: HttpRequest, attempt: Attempt, settlement: Settlement, options: StreamOptions
) -> None:
    """Stream an answer; raises `PlatformError` only before the client's first byte."""
    translator = StreamTranslator(options)
    try:
        await _pump(http, attempt, settlement, translator)
    except BaseException as error:
        attempt.exchange.close()
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
    await _finish_exchange(attempt)


async def _pump(
    http: HttpRequest,
    attempt: Attempt,
    settlement: Settlement,
    translator: StreamTranslator,
) -> None:
    """Carry the stream up to its last token; return once its usage is known."""
    splitter = EventSplitter()
    while not translator.is_complete:
        data = await attempt.exchange.read()
        if not data:
            break
        for events in _pieces(splitter.feed(data), http.downstream):
            if out := translator.feed(events):
                if not http.is_started:
                    await http.start_stream()
                await http.write(out)
                await http.downstream.drained()
                settlement.handed_over(
                    translator.tally.output_tokens, translator.transcript
                )
            attempt.exchange.raise_if_stopped()
            if translator.failure is not None:
                raise translator.failure
    if not translator.is_whole:
        raise EngineLostError("the stream ended early")


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
        await http.start_stream()
    try:
        await asyncio.shield(commit)
    except DatabaseAwayError:
        await http.fail(
            ServiceUnavailable("The end of this answer could not be recorded.")
        )
        return
    await http.write(translator.ending(settlement.counts), last=True)


async def relay_answer(
    http: HttpRequest,
    attempt: Attempt,
    settlement: Settlement,
    *,
    rename: tuple[str, str] | None,
) -> None:
    """Send a whole answer once it is committed; raises if there is none."""
    exchange = attempt.exchange
    tally, transcript = Tally(), Transcript()
    try:
        body = await exchange.read_all(bytes_max=ANSWER_BYTES_MAX)
        answer = _answer_of(body)
        if is_object(usage := answer.get("usage")):
            tally.final(usage)
        else:
            transcript = Transcript.of_answer(answer)
    except BaseException as error:
        exchange.close()
        status, reply = judge(error)
        settlement.end(status, tally, transcript)
        if not isinstance(error, Exception):
            raise
        if reply is None:
            raise
        raise reply from error
    exchange.close()
    settlement.handed_over(tally.output_tokens, transcript)
    commit = settlement.end(EventStatus.OK, tally, transcript)
    try:
        await asyncio.shield(commit)
    except DatabaseAwayError:
        settlement.give_back(prompt_too=True)
        raise ServiceUnavailable(
            "This answer could not be recorded and is not charged. Try again.",
            headers={"retry-after": "1"},
        ) from None
    except asyncio.CancelledError:
        settlement.give_back(prompt_too=True)
        raise
    if not tally.is_reported:
        body = orjson.dumps({**answer, "usage": usage_of(settlement.counts)})
    body = _renamed(body, rename)
    await http.respond(200, body)
    if not await http.downstream.begun(len(body)):
        settlement.give_back(prompt_too=False)
    await http.downstream.caught_up()


def _answer_of(body: bytes) -> JsonObject:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an answer that is not JSON") from error
    if not is_object(answer):
        raise StreamFormatError("an answer that is not an object")
    fault = answer.get("error")
    if fault is not None and not answer.get("choices"):
        raise from_stream(fault if is_object(fault) else {})
    choices = answer.get("choices")
    if not is_array(choices) or not choices:
        raise StreamFormatError("an answer without choices")
    for choice in choices:
        refuse_aborted(choice)
    return answer


def _renamed(body: bytes, rename: tuple[str, str] | None) -> bytes:
    """Put the public name of the model in place of the engine's own."""
    if rename is None:
        return body
    engine, public = (orjson.dumps(name) for name in rename)
    # Within a text its quotes would be escaped, so this is never the model's own word.
    pattern = rb'"model"(\s*:\s*)' + re.escape(engine)
    return re.sub(pattern, lambda at: b'"model"' + at[1] + public, body, count=1)


async def _finish_exchange(attempt: Attempt) -> None:
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
