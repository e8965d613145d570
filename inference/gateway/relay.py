"""Carry an engine's answer to the client and settle it.

Streams: bytes go through as they come; what follows the last token waits for the
commit. Whole answers: the body waits for the commit; one that never reached the kernel
is given back. Either way every exit settles exactly once, and only what was handed over
is billed as output.
"""

import asyncio
import re

import orjson
import structlog

from inference.engines.origin import EngineError, EngineLostError
from inference.gateway.attempt import Attempt
from inference.gateway.connection import ClientGoneError
from inference.gateway.http import HttpRequest
from inference.gateway.live import DrainedError
from inference.gateway.settle import Settlement, judge
from inference.openai.sse import EventSplitter
from inference.openai.stream import (
    DONE,
    StreamFormatError,
    StreamOptions,
    StreamTranslator,
)
from inference.openai.usage import Tally
from kit.contracts import DatabaseAwayError, EventStatus
from kit.errors import ServiceUnavailable

ANSWER_BYTES_MAX = 64 * 1024 * 1024
_END = b"data: " + DONE + b"\n\n"

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
        settlement.end(status, translator.tally)
        if not isinstance(error, Exception):
            raise
        if reply is None:
            raise
        if not http.is_started:
            raise reply from error
        await http.fail(reply)
        return
    await _finish_stream(http, settlement, translator)
    await _finish_exchange(attempt)


async def _pump(
    http: HttpRequest,
    attempt: Attempt,
    settlement: Settlement,
    translator: StreamTranslator,
) -> None:
    """Carry the stream up to its last token; return once its usage is known."""
    splitter = EventSplitter()
    while not (translator.tally.is_final or translator.is_done):
        data = await attempt.exchange.read()
        if not data:
            break
        out = translator.feed(splitter.feed(data))
        if out:
            if not http.is_started:
                await http.start_stream()
            await http.write(out)
            await http.downstream.drained()
            settlement.handed_over(translator.tally.output_tokens)
        if translator.failure is not None:
            raise translator.failure
    if not translator.is_finished:
        raise EngineLostError("the stream ended early")


async def _finish_stream(
    http: HttpRequest, settlement: Settlement, translator: StreamTranslator
) -> None:
    """Release what follows the last token once the usage is committed."""
    settlement.handed_over(translator.tally.output_tokens)
    commit = settlement.end(EventStatus.OK, translator.tally)
    if not http.is_started:
        await http.start_stream()
    try:
        await asyncio.shield(commit)
    except DatabaseAwayError:
        await http.fail(
            ServiceUnavailable("The end of this answer could not be recorded.")
        )
        return
    held = translator.held()
    await http.write(held if translator.is_done else held + _END, last=True)


async def relay_answer(
    http: HttpRequest,
    attempt: Attempt,
    settlement: Settlement,
    *,
    rename: tuple[str, str] | None,
) -> None:
    """Send a whole answer once it is committed; raises if there is none."""
    exchange = attempt.exchange
    tally = Tally()
    try:
        body = await exchange.read_all(bytes_max=ANSWER_BYTES_MAX)
        if (usage := _usage_of(body)) is not None:
            tally.final(usage)
    except BaseException as error:
        exchange.close()
        status, reply = judge(error)
        settlement.end(status, tally)
        if not isinstance(error, Exception):
            raise
        if reply is None:
            raise
        raise reply from error
    exchange.close()
    settlement.handed_over(tally.output_tokens)
    commit = settlement.end(EventStatus.OK, tally)
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
    body = _renamed(body, rename)
    await http.respond(200, body)
    if not await http.downstream.begun(len(body)):
        settlement.give_back(prompt_too=False)


def _usage_of(body: bytes) -> dict[str, object] | None:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an answer that is not JSON") from error
    if not isinstance(answer, dict):
        raise StreamFormatError("an answer that is not an object")
    usage = answer.get("usage")
    return usage if isinstance(usage, dict) else None


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
        while await exchange.read():
            pass
    except (EngineError, ClientGoneError, DrainedError):
        log.debug("engine_lost_after_answer", replica=attempt.replica.name)
    finally:
        exchange.close()
