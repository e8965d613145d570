"""A usage event on its way to the database: made and priced once, then numbered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from kit.contracts import Admission, EventKind, EventStatus, Outcome, TokenCounts
from kit.ids import unix_ms_of, uuid7
from kit.records import record
from metering.intake.arrays import PackedArray, packed
from metering.intake.journal import Entry
from metering.intake.statements import COLUMNS, NO_EVENT, NO_FIGURE
from metering.pricing.rating import charge_picos


@record(frozen=True, slots=True)
class UsageEvent:
    """One row of the event table, but for its number."""

    admission: Admission
    outcome: Outcome
    request_id: UUID
    kind: EventKind
    corrects: UUID | None
    counts: TokenCounts
    generated_tokens: int
    charge_picos: int

    @property
    def settles(self) -> bool:
        """Tell whether this event ends a request, as against correcting one."""
        return self.kind is EventKind.REQUEST


@dataclass(slots=True)
class Pending:
    """An event that waits for its commit, and who waits with it."""

    event: UsageEvent
    committed: asyncio.Future[None]
    queued_at_us: int
    # What it uses up of leases, by their windows.
    uses: dict[int, int] = field(default_factory=dict)
    # Its request's slot, until it is committed.
    entry: Entry | None = None


def request_event(admission: Admission, outcome: Outcome) -> UsageEvent:
    """Make the event of a request that ended."""
    return UsageEvent(
        admission=admission,
        outcome=outcome,
        request_id=admission.request_id,
        kind=EventKind.REQUEST,
        corrects=None,
        counts=outcome.counts,
        generated_tokens=outcome.generated_tokens,
        charge_picos=charge_picos(admission.price, outcome.counts),
    )


def undelivered_event(
    admission: Admission,
    outcome: Outcome,
    *,
    prompt_too: bool,
    request_id: UUID | None = None,
) -> UsageEvent:
    """Make the correction that gives back what was settled but never handed over.

    It gets the id that was written down for it, or one of its own.
    """
    counts = outcome.counts
    given_back = TokenCounts(
        input_tokens=-counts.input_tokens if prompt_too else 0,
        cached_input_tokens=-counts.cached_input_tokens if prompt_too else 0,
        output_tokens=-counts.output_tokens,
        reasoning_tokens=-counts.reasoning_tokens,
    )
    return _correction(
        admission, outcome, EventKind.UNDELIVERED, given_back, request_id
    )


def late_event(
    admission: Admission, outcome: Outcome, *, stands: TokenCounts
) -> UsageEvent | None:
    """Make the correction from what stands to the outcome; None without difference."""
    counts = outcome.counts
    beyond = TokenCounts(
        input_tokens=counts.input_tokens - stands.input_tokens,
        cached_input_tokens=counts.cached_input_tokens - stands.cached_input_tokens,
        output_tokens=counts.output_tokens - stands.output_tokens,
        reasoning_tokens=counts.reasoning_tokens - stands.reasoning_tokens,
    )
    if beyond == TokenCounts():
        return None
    return _correction(admission, outcome, EventKind.LATE, beyond, None)


def correction_id(admission: Admission) -> UUID:
    """Return a new id for a correction: it carries the instant of what it corrects."""
    return uuid7(unix_ms_of(admission.request_id))


def _correction(
    admission: Admission,
    outcome: Outcome,
    kind: EventKind,
    counts: TokenCounts,
    request_id: UUID | None,
) -> UsageEvent:
    return UsageEvent(
        admission=admission,
        outcome=outcome,
        request_id=request_id or correction_id(admission),
        kind=kind,
        corrects=admission.request_id,
        counts=counts,
        generated_tokens=0,
        charge_picos=charge_picos(admission.price, counts),
    )


def sort_key(event: UsageEvent) -> tuple[int, int]:
    """Order a batch by the event table's key: unordered batches deadlock."""
    return event.admission.caller.tenant_id, event.request_id.int


def parameters(events: Sequence[UsageEvent], *, first: int) -> dict[str, PackedArray]:
    """Turn events into one array per column, numbered from `first` on."""
    rows = [_row(event, seq) for seq, event in enumerate(events, first)]
    columns = zip(*rows, strict=True)
    return {
        name: packed(kind, column)
        for (name, kind), column in zip(COLUMNS, columns, strict=True)
    }


def _row(event: UsageEvent, seq: int) -> tuple[Any, ...]:
    """Lay an event out in the order of `COLUMNS`."""
    admission, outcome, counts = event.admission, event.outcome, event.counts
    status = outcome.status
    if event.kind is EventKind.UNDELIVERED:
        status = EventStatus.UNDELIVERED
    first_token_us, *figures = _figures(event)
    return (
        admission.caller.tenant_id,
        event.request_id.bytes,
        seq,
        admission.admitted_at_us,
        admission.caller.project_id,
        admission.caller.api_key_id,
        admission.price.id,
        outcome.replica_id,
        event.charge_picos,
        first_token_us,
        outcome.duration_us,
        *figures,
        counts.input_tokens,
        counts.cached_input_tokens,
        counts.output_tokens,
        counts.reasoning_tokens,
        event.generated_tokens,
        event.kind,
        status,
        outcome.counted_by,
        admission.surface,
        admission.streamed,
        (event.corrects or NO_EVENT).bytes,
    )


def _figures(event: UsageEvent) -> list[int]:
    """Return what was measured and noted of a request, in the order of `COLUMNS`.

    A correction has none of it: a sum over events would count its request's twice.
    """
    outcome = event.outcome
    latency, handling = outcome.latency, outcome.handling
    figures = (
        outcome.first_token_us,
        latency.queue_us,
        latency.last_token_us,
        latency.chunks,
        latency.gap_max_us,
        handling.attempts,
        handling.held_input_tokens,
        handling.held_output_tokens,
        handling.keyed,
    )
    if not event.settles:
        return [NO_FIGURE] * len(figures)
    return [NO_FIGURE if figure is None else figure for figure in figures]
