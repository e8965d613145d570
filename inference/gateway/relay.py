"""Carry an engine's stream to the client and settle it.

Bytes go through as they come; what follows the last token waits for the commit. Where
budgets are counted, no token leaves that is not held: the engine waits while more is
got. Every exit settles exactly once, and only what was handed over is billed as output.
"""

import asyncio

import structlog

from inference.engines.origin import EngineError, EngineLostError
from inference.gateway.answering import Answering
from inference.gateway.connection import ClientGoneError
from inference.gateway.handover import Handover
from inference.gateway.holding import Gate
from inference.gateway.http import HttpRequest
from inference.gateway.live import EndedError
from inference.gateway.settle import Settlement, judge
from inference.openai.stream import StreamOptions, StreamTranslator
from kit.contracts import DatabaseAwayError, EventStatus
from kit.errors import ServiceUnavailable

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
    handover = Handover(http, settlement, attempt, translator, gate)
    try:
        await _pump(attempt, translator, handover)
        if gate is not None:
            # The finish, too, may be a token; the last usage larger than the running.
            await gate.require(gate.counts(translator.tally, translator.transcript))
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


async def _pump(
    attempt: Answering, translator: StreamTranslator, handover: Handover
) -> None:
    """Carry the stream up to its last token; return once its usage is known."""
    while not translator.is_complete:
        has_ended = await attempt.exchange.pour(handover.take)
        await handover.catch_up()
        if has_ended:
            break
    if not translator.is_whole:
        raise EngineLostError("the stream ended early")


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
        await commit
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
