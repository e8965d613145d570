"""The one way out of every request: what is billed, and what the client hears.

Billed are the prompt, once the engine took the request, and the output that was handed
over. An engine's or a gateway's failure before the first output token bills nothing.
Every exit of the relay passes `Settlement.end` once; it only queues, so no cancellation
can lose the event.
"""

import asyncio
from dataclasses import dataclass

import structlog

from inference.engines.origin import EngineError, EngineSilentError
from inference.gateway.connection import ClientGoneError
from inference.gateway.live import DrainedError
from inference.gateway.metrics import GatewayMetrics
from inference.openai.sse import EventTooLargeError
from inference.openai.stream import StreamFormatError
from inference.openai.usage import Tally, UsageError
from kit.clock import boot_us
from kit.contracts import (
    Admission,
    CountedBy,
    EventStatus,
    Meter,
    Outcome,
    TokenCounts,
)
from kit.errors import EngineFailed, EngineTimeout, PlatformError, ServiceUnavailable

log = structlog.get_logger("tollgate.gateway")

_ENGINES = frozenset({EventStatus.ENGINE_ERROR, EventStatus.ENGINE_TIMEOUT})
_OURS = _ENGINES | {EventStatus.DRAINED}


def judge(error: BaseException) -> tuple[EventStatus, PlatformError | None]:
    """Tell under which status an error ends a request, and what the client is to hear.

    Nothing is said to a client that has gone; what is no failure of a request is raised
    again.
    """
    if isinstance(error, ClientGoneError):
        return EventStatus.CLIENT_GONE, None
    if isinstance(error, DrainedError | asyncio.CancelledError):
        return EventStatus.DRAINED, ServiceUnavailable(
            "The gateway had to end this answer. Try again.",
            headers={"retry-after": "1"},
        )
    if isinstance(error, EngineSilentError):
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
    admission: Admission
    started_us: int
    replica_id: int = 0
    output_tokens: int = 0
    first_token_us: int | None = None
    outcome: Outcome | None = None

    def handed_over(self, output_tokens: int) -> None:
        """Note how much output the client has, and when it got the first of it."""
        self.output_tokens = output_tokens
        if output_tokens and self.first_token_us is None:
            self.first_token_us = boot_us() - self.started_us

    def end(self, status: EventStatus, tally: Tally) -> asyncio.Future[None]:
        """Queue the usage event with the output that was handed over."""
        counts = tally.counts(output_tokens=self.output_tokens)
        counted_by = CountedBy.ENGINE if tally.is_reported else CountedBy.NONE
        if not tally.is_reported or (status in _OURS and self.output_tokens == 0):
            counts = TokenCounts()
        self.outcome = Outcome(
            status=status,
            counts=counts,
            generated_tokens=tally.output_tokens,
            counted_by=counted_by,
            replica_id=self.replica_id,
            first_token_us=self.first_token_us,
            duration_us=boot_us() - self.started_us,
        )
        self.metrics.add_settled(self.outcome)
        if status in _ENGINES:
            self.metrics.engine_failures += 1
        return self.meter.settle(self.admission, self.outcome)

    def give_back(self, *, prompt_too: bool) -> None:
        """Correct a settled answer that was never handed over."""
        if self.outcome is None:
            raise RuntimeError("nothing was settled that could be given back")
        self.metrics.undelivered += 1
        self.meter.undelivered(self.admission, self.outcome, prompt_too=prompt_too)
