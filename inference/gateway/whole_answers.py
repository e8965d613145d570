"""Send an answer at once: the body waits for the commit, and for being held.

The engine's own answer, or near a budget's end one that it streams and we put together:
then each token is held as it comes, and where no more of them are, what there is
becomes the answer. One that never reached the kernel is given back. Every exit settles
exactly once.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from inference.engines.origin import EngineLostError
from inference.gateway.answering import Answering
from inference.gateway.attempt import ANSWER_BYTES_MAX
from inference.gateway.holding import BudgetEndedError, Gate
from inference.gateway.http import HttpRequest
from inference.gateway.relay import finish_exchange
from inference.gateway.settle import Settlement, judge
from inference.openai.answers import Answer, read_answer
from inference.openai.errors import rename_model
from inference.openai.reassembly import Reassembly
from inference.openai.shapes import PLAIN, Shape
from inference.openai.stream import (
    StreamOptions,
    StreamTranslator,
    tokens_bound,
    usage_of,
)
from inference.openai.tasks import Task
from inference.openai.transcript import Marks, Transcript
from inference.openai.usage import Tally, UsageError
from kit.contracts import DatabaseAwayError, EventStatus
from kit.errors import PlatformError, ServiceUnavailable

# Tells a client that its answer was cut short, and by what.
ENDED = {"x-tollgate-ended": "insufficient_quota"}


async def relay_answer(
    http: HttpRequest,
    attempt: Answering,
    settlement: Settlement,
    gate: Gate | None,
    options: StreamOptions,
) -> None:
    """Send the engine's answer once it is committed; raises if there is none."""
    tally = Tally(prompt_tokens_max=options.prompt_tokens_max)
    asked = attempt.request
    try:
        try:
            body = await attempt.exchange.read_all(bytes_max=ANSWER_BYTES_MAX)
        finally:
            # What is waited for from here on is not the engine.
            attempt.exchange.close()
            attempt.done()
        body = attempt.answer(body)
        answer = _read(body, asked.task, tally, options)
        transcript = answer.transcript
        if gate is not None:
            counts = gate.counts(tally, transcript)
            is_known = tally.has_prompt and not transcript
            # Then it is settled in this moment, and what is left over goes back.
            if not (is_known and gate.includes(counts)):
                await gate.require(counts)
    except BaseException as error:
        _end(error, settlement, tally)
        raise
    settlement.handed_over(tally.output_tokens, transcript)
    settlement.watch.answered()
    await _commit(settlement, EventStatus.OK, tally, transcript)
    if not tally.is_reported:
        usage = usage_of(settlement.counts)
        body = orjson.dumps({**orjson.loads(body), "usage": usage})
    await _hand_over(
        http, settlement, asked.shape, _renamed(body, answer.json, options.rename)
    )


def _read(body: bytes, task: Task, tally: Tally, options: StreamOptions) -> Answer:
    """Read an answer; an error in its place calls the model as its caller does."""
    try:
        answer = read_answer(body, task, tally)
    except PlatformError as error:
        if options.rename is not None:
            rename_model(error, *options.rename)
        raise
    if tally.output_tokens > tokens_bound(options):
        raise UsageError("more tokens than were asked for cannot be")
    return answer


async def relay_reassembled(
    http: HttpRequest,
    attempt: Answering,
    settlement: Settlement,
    gate: Gate,
    options: StreamOptions,
) -> None:
    """Put a streamed answer together as far as it is held, and send it at once."""
    settlement.metrics.reassembled += 1
    collected = _Collected(StreamTranslator(options), gate)
    try:
        await collected.read(attempt)
    except BaseException as error:
        attempt.exchange.close()
        attempt.broke_off(error)
        _end(error, settlement, collected.translator.tally)
        raise
    if collected.is_cut:
        attempt.exchange.close()
    try:
        await _send_reassembled(http, settlement, collected, options)
    except BaseException:
        if not collected.is_cut:
            attempt.exchange.close()
        raise
    if not collected.is_cut:
        await finish_exchange(attempt)


@dataclass(slots=True)
class _Collected:
    """What has come of a stream and is held, for as much of it as that is."""

    translator: StreamTranslator
    gate: Gate
    reassembly: Reassembly = field(default_factory=Reassembly)
    is_cut: bool = False
    output_tokens: int = 0
    marks: Marks = field(default_factory=dict[int, tuple[int, int]])

    async def read(self, attempt: Answering) -> None:
        """Read the stream to its last token, or as far as a budget lets it."""
        reader, translator = attempt.reader(), self.translator
        while not translator.is_complete:
            data = await attempt.exchange.read()
            if not data:
                break
            for event in reader.feed(data):
                translator.feed([event])
                if translator.failure is not None:
                    raise translator.failure
                try:
                    await self._keep(event)
                except BudgetEndedError:
                    if not self.output_tokens and not self.marks:
                        raise
                    self.is_cut = True
                    return
        if not translator.is_whole:
            raise EngineLostError("the stream ended early")
        attempt.done()

    async def _keep(self, event: bytes) -> None:
        tally, transcript = self.translator.tally, self.translator.transcript
        counts = self.gate.counts(tally, transcript)
        await self.gate.require(counts)
        self.reassembly.add(event)
        self.output_tokens, self.marks = tally.output_tokens, transcript.marks()
        # The client will have it: nobody is to wait for this to be given back.
        self.gate.handed_over(counts)


async def _send_reassembled(
    http: HttpRequest,
    settlement: Settlement,
    collected: _Collected,
    options: StreamOptions,
) -> None:
    tally, transcript = collected.translator.tally, collected.translator.transcript
    settlement.handed_over(collected.output_tokens, transcript, collected.marks)
    status = EventStatus.BUDGET_EXHAUSTED if collected.is_cut else EventStatus.OK
    await _commit(settlement, status, tally, transcript)
    usage: Mapping[str, Any] = usage_of(settlement.counts)
    choices = 0
    if collected.is_cut:
        http.add_headers(ENDED)
        choices = options.choices
    elif collected.reassembly.usage is not None:
        usage = collected.reassembly.usage
    answer = collected.reassembly.answer(usage=usage, choices=choices)
    body = _renamed(orjson.dumps(answer), answer, options.rename)
    await _hand_over(http, settlement, settlement.request.shape, body)


def _end(error: BaseException, settlement: Settlement, tally: Tally) -> None:
    """Settle an answer that there is none of, and raise what the client is to hear."""
    status, reply = judge(error)
    # The client has no text of it.
    settlement.end(status, tally, Transcript())
    if isinstance(error, Exception) and reply is not None:
        raise reply from error


async def _commit(
    settlement: Settlement, status: EventStatus, tally: Tally, transcript: Transcript
) -> None:
    """Settle, and return once that is durable; else what was settled is given back."""
    commit = settlement.end(status, tally, transcript, is_due=True)
    try:
        await commit
    except DatabaseAwayError:
        settlement.give_back(prompt_too=True)
        raise ServiceUnavailable(
            "This answer could not be recorded and is not charged. Try again.",
            headers={"retry-after": "1"},
        ) from None
    except asyncio.CancelledError:
        settlement.give_back(prompt_too=True)
        raise


async def _hand_over(
    http: HttpRequest, settlement: Settlement, shape: Shape, body: bytes
) -> None:
    """Send the body; what never reached the kernel is given back."""
    settlement.begin_body()
    try:
        if shape is not PLAIN:
            shown = shape.answer(orjson.loads(body), settlement.counts)
            body = orjson.dumps(shown)
        http.add_headers(settlement.headers())
        await http.respond(200, body)
        is_begun = await http.downstream.begun(len(body))
    except BaseException:
        settlement.give_back(prompt_too=True)
        raise
    if is_begun:
        settlement.body_taken()
    else:
        settlement.give_back(prompt_too=False)
    if http.downstream.is_behind:
        await http.downstream.caught_up()


def _renamed(
    body: bytes, answer: Mapping[str, Any], rename: tuple[str, str] | None
) -> bytes:
    """Put the public name of the model in place of what the engine calls it.

    That need not be what it was asked for: services answer with a version's own name.
    """
    if rename is None or not isinstance(said := answer.get("model"), str):
        return body
    public = orjson.dumps(rename[1])
    return _model_said(said).sub(lambda at: at[1] + public, body, count=1)


@lru_cache(maxsize=256)
def _model_said(name: str) -> re.Pattern[bytes]:
    """Return what finds where an answer names its model.

    Within a text its quotes would be escaped, so this is never the model's own word.
    """
    return re.compile(rb'("model"\s*:\s*)' + re.escape(orjson.dumps(name)))
