"""The one way out of every request: what is billed, and what the client hears.

Billed are the prompt, once the engine took the request, and the output that was handed
over. An engine's or a gateway's failure before the first output token bills nothing.
Every exit of the relay passes `Settlement.end` once; it only queues, so no cancellation
can lose the event.
"""

import asyncio
from dataclasses import dataclass, field, replace

import structlog

from inference.engines.origin import (
    EngineError,
    EngineOverdueError,
    EngineSilentError,
)
from inference.gateway.connection import ClientGoneError
from inference.gateway.counting import Counting
from inference.gateway.holding import BudgetEndedError
from inference.gateway.live import DrainedError, KeyRevokedError
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.rates import Taken
from inference.gateway.stopwatch import Stopwatch
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventTooLargeError
from inference.openai.stream import StreamFormatError
from inference.openai.transcript import Marks, Transcript
from inference.openai.usage import Tally, UsageError
from kit.contracts import (
    Admission,
    CountedBy,
    EventStatus,
    Meter,
    Outcome,
    TokenCounts,
    Trace,
)
from kit.errors import EngineFailed, EngineTimeout, PlatformError, ServiceUnavailable
from kit.handling import Keyed, handled
from kit.records import record

log = structlog.get_logger("tollgate.gateway")

# Of a request that no budget bounds: tokens of its prompt, and of output.
NOTHING_HELD = (0, 0)
_ENGINES = frozenset({EventStatus.ENGINE_ERROR, EventStatus.ENGINE_TIMEOUT})
# An answer that a budget ended before its first token was none.
_FREE_AT_FIRST = _ENGINES | {EventStatus.DRAINED, EventStatus.BUDGET_EXHAUSTED}


def judge(error: BaseException) -> tuple[EventStatus, PlatformError | None]:
    """Tell under which status an error ends a request, and what the client is to hear.

    Nothing is said to a client that has gone; what is no failure of a request is raised
    again.
    """
    if isinstance(error, ClientGoneError):
        return EventStatus.CLIENT_GONE, None
    if isinstance(error, KeyRevokedError):
        return EventStatus.KEY_REVOKED, error.reply()
    if isinstance(error, DrainedError | asyncio.CancelledError):
        return EventStatus.DRAINED, ServiceUnavailable(
            "The gateway had to end this answer. Try again.",
            headers={"retry-after": "1"},
        )
    if isinstance(error, BudgetEndedError):
        return EventStatus.BUDGET_EXHAUSTED, error.reply
    if isinstance(error, EngineSilentError | EngineOverdueError):
        return EventStatus.ENGINE_TIMEOUT, EngineTimeout(
            "The engine did not answer in time."
        )
    if isinstance(error, PlatformError):
        return EventStatus.ENGINE_ERROR, error
    if isinstance(
        error, EngineError | StreamFormatError | UsageError | EventTooLargeError
    ):
        return EventStatus.ENGINE_ERROR, EngineFailed(
            "The engine failed while it was answering."
        )
    # A bug of ours: the client pays nothing beyond what it got, and hears no details.
    log.error("gateway_bug", exc_info=error)
    return EventStatus.DRAINED, EngineFailed(
        "The gateway failed while it was answering."
    )


@dataclass(slots=True)
class Settlement:
    """Ends one admitted request that an engine took."""

    meter: Meter
    metrics: GatewayMetrics
    counting: Counting
    admission: Admission
    request: GenerationRequest
    # The model's own, for what the engine does not count; empty where it has none.
    tokenizer: str
    started_us: int
    # Of its rate limits, where it has any.
    taken: Taken | None = None
    held_tokens: tuple[int, int] = NOTHING_HELD
    keyed: Keyed = Keyed.NONE
    replica_id: int = 0
    # How many replicas were tried, that one included.
    attempts: int = 0
    # Whether an engine has the whole request, and has not refused it.
    is_sent: bool = False
    # Whether it has begun to answer it.
    is_taken: bool = False
    output_tokens: int = 0
    outcome: Outcome | None = None
    # Whether it has an event, be it counted first.
    has_ended: bool = False
    _gives_prompt_back: bool | None = None
    _is_due: bool = False
    trace: Trace = field(init=False)
    watch: Stopwatch = field(init=False)

    def __post_init__(self) -> None:
        """Find where its progress is noted."""
        self.trace = self.meter.trace(self.admission)
        latencies = self.metrics.latencies.of(self.request.model)
        self.watch = Stopwatch(self.started_us, latencies)

    @property
    def counts(self) -> TokenCounts:
        """Return what is billed, once the request has been settled."""
        return TokenCounts() if self.outcome is None else self.outcome.counts

    def void(self) -> None:
        """Forget a request that no engine took: nothing is billed."""
        self.meter.void(self.admission)
        if self.taken is not None:
            self.taken.settle(TokenCounts())

    def offered(self, counts: TokenCounts) -> None:
        """Note what the client will have had once the next piece is sent."""
        self.trace.offered(
            counts, replica_id=self.replica_id, first_token_us=self.watch.first_us
        )

    def handed_over(
        self,
        output_tokens: int,
        transcript: Transcript,
        marks: Marks | None = None,
        *,
        chunks: int = 0,
        is_slow: bool = False,
    ) -> None:
        """Note how much output the client has, in how many chunks of a stream.

        With `marks`, of the transcript it has only what had come by then.
        """
        self.trace.written()
        if chunks:
            self.watch.chunks(chunks, is_slow=is_slow)
        elif (output_tokens > self.output_tokens or transcript) and (
            # What an engine counts only at its end is no news of its last token.
            self.output_tokens or self.watch.last_us is None
        ):
            self.watch.tokens()
        self.output_tokens = output_tokens
        if transcript:
            transcript.handed_over(marks)

    def end(
        self,
        status: EventStatus,
        tally: Tally,
        transcript: Transcript,
        *,
        is_due: bool = False,
    ) -> asyncio.Future[None]:
        """Queue the usage event with the output that was handed over.

        The future is done once it is durable, and who cancels it only ends its own
        wait. What the engine did not count is counted first, and only then queued.
        `is_due` when a body waits for it.
        """
        self._is_due, self.has_ended = is_due, True
        output_tokens, duration_us = self.output_tokens, self.watch.now_us()
        delivered = transcript.delivered() if transcript else []
        generated = transcript.generated() if transcript else []
        # Ended by our side before the first token, nothing is billed.
        is_free = status in _FREE_AT_FIRST and not (output_tokens or delivered)
        is_counted = tally.has_prompt and not (delivered or generated)
        if not (is_free or is_counted):
            ended = _Ended(
                status, tally, output_tokens, delivered, generated, duration_us
            )
            return self.counting.later(self._settle_counted(ended))
        return self._settle(
            status,
            TokenCounts() if is_free else tally.counts(output_tokens=output_tokens),
            counted_by=_counted_by(tally),
            generated_tokens=tally.output_tokens,
            duration_us=duration_us,
        )

    def headers(self, *, begins: bool = False) -> dict[str, str]:
        """Return what an answer's head tells of how it went by.

        That of a stream leaves with its first chunk of text, where it `begins` so.
        """
        return self.watch.headers(self.request.model, begins=begins)

    def begin_body(self) -> None:
        """Note that the settled answer is on its way."""
        self.meter.begin_body(self.admission)

    def body_taken(self) -> None:
        """Note that its client has begun to get it."""
        self.meter.body_taken(self.admission)

    def give_back(self, *, prompt_too: bool) -> None:
        """Correct a settled answer that was never handed over."""
        self.metrics.undelivered += 1
        if self.outcome is None:
            # It is being counted: the correction follows the event that it corrects.
            self._gives_prompt_back = prompt_too
            return
        self.meter.undelivered(self.admission, self.outcome, prompt_too=prompt_too)

    async def _settle_counted(self, ended: "_Ended") -> None:
        try:
            counts, generated = await self._counted(ended)
        except BaseException as error:
            # Even a bug must not leave the admission open for ever.
            if isinstance(error, Exception):
                log.exception("counting_failed")
            counts, generated = None, None
        tally, counted_by = ended.tally, _counted_by(ended.tally)
        if counts is None or generated is None:
            # What the engine did say, if anything, still holds.
            log.warning("tokens_not_counted", model=self.request.model[:128])
            counts = tally.counts(output_tokens=ended.output_tokens)
            generated = tally.output_tokens
            is_free_text = ended.delivered and not counts.output_tokens
            is_free_prompt = not counts.input_tokens + counts.cached_input_tokens
            if is_free_text or is_free_prompt:
                counted_by = CountedBy.NONE
        elif ended.delivered or not tally.has_prompt:
            counted_by = CountedBy.TOKENIZER
        committed = self._settle(
            ended.status,
            counts,
            counted_by=counted_by,
            generated_tokens=generated,
            duration_us=ended.duration_us,
        )
        if self._gives_prompt_back is not None and self.outcome is not None:
            self.meter.undelivered(
                self.admission, self.outcome, prompt_too=self._gives_prompt_back
            )
        await committed

    async def _counted(self, ended: "_Ended") -> tuple[TokenCounts | None, int | None]:
        """Return the counts and what was generated; none where nobody can tell."""
        known = ended.tally.counts(output_tokens=ended.output_tokens)
        generated = delivered = 0
        if ended.delivered or ended.generated:
            counted = await self.counting.texts(ended.delivered, self.tokenizer)
            beyond = counted
            if ended.generated != ended.delivered:
                beyond = await self.counting.texts(ended.generated, self.tokenizer)
            if counted is None or beyond is None:
                return None, None
            delivered, generated = counted, beyond
        if not ended.tally.has_prompt:
            prompt = await self.counting.prompt(
                self.request,
                self.tokenizer,
                is_waited_for=ended.status is EventStatus.OK,
            )
            if prompt is None:
                return None, None
            uncached = max(0, prompt - known.cached_input_tokens)
            known = replace(known, input_tokens=uncached)
        output = known.output_tokens + delivered
        return (
            replace(known, output_tokens=output),
            max(output, ended.tally.output_tokens + generated),
        )

    def _settle(
        self,
        status: EventStatus,
        counts: TokenCounts,
        *,
        counted_by: CountedBy,
        generated_tokens: int,
        duration_us: int,
    ) -> asyncio.Future[None]:
        streamed = self.admission.streamed
        self.outcome = Outcome(
            status=status,
            counts=counts,
            generated_tokens=generated_tokens,
            counted_by=counted_by,
            replica_id=self.replica_id,
            first_token_us=self.watch.first_us,
            duration_us=duration_us,
            latency=self.watch.latency(streamed=streamed),
            handling=handled(self.attempts, self.held_tokens, self.keyed),
        )
        self.metrics.add_settled(
            self.outcome, model=self.request.model, streamed=streamed
        )
        if self.taken is not None:
            self.taken.settle(counts)
        if status in _ENGINES:
            self.metrics.engine_failures += 1
        return self.meter.settle(self.admission, self.outcome, is_due=self._is_due)


@record(frozen=True, slots=True)
class _Ended:
    """How a request ended of which the engine has not counted all that is billed."""

    status: EventStatus
    tally: Tally
    output_tokens: int
    delivered: list[str]
    generated: list[str]
    duration_us: int


def _counted_by(tally: Tally) -> CountedBy:
    return CountedBy.ENGINE if tally.is_reported else CountedBy.NONE
