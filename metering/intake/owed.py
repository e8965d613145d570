"""What a request that is in a journal still owes the database. Pure.

The same rule serves a process that comes back, whoever recovers a dead one's journal,
and the reaper, who has only its last checkpoint. What stands in the database is never
touched: a request without an event gets one, and what is more or less than stands
becomes a `late` correction. Doing it twice owes nothing the second time. A checkpoint
is always older than what its process committed, so that it adds to no event.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from kit.contracts import CountedBy, EventKind, EventStatus, Outcome, TokenCounts
from metering.intake.events import (
    UsageEvent,
    late_event,
    request_event,
    undelivered_event,
)
from metering.intake.slots import Phase, Progress, Slot, outcome_of


class Bills(enum.Enum):
    """Which progress of a running request is billed.

    After a kill the newest piece may have been sent, or not: `OFFERED` is at most one
    piece too many. A checkpoint knows better what the client had: `WRITTEN`.
    """

    OFFERED = enum.auto()
    WRITTEN = enum.auto()


@dataclass(frozen=True, slots=True)
class Stands:
    """What the database has of a request: its event and what corrected it since.

    `counts` is by gateways alone; `adjusted` is what else was added at its price, or,
    below nothing, taken back: a credit or an operator's correction.
    """

    counts: TokenCounts
    is_given_back: bool
    adjusted: TokenCounts = field(default_factory=TokenCounts)

    @property
    def is_taken_back(self) -> bool:
        """Tell whether others took back all of it: the rest is not to be billed."""
        nothing = TokenCounts()
        return self.counts != nothing and self.left_of(self.counts) == nothing

    def left_of(self, counts: TokenCounts) -> TokenCounts:
        """Return how much of these tokens nobody has taken back yet."""
        adjusted = self.adjusted
        return TokenCounts(
            _left(counts.input_tokens, adjusted.input_tokens),
            _left(counts.cached_input_tokens, adjusted.cached_input_tokens),
            _left(counts.output_tokens, adjusted.output_tokens),
            _left(counts.reasoning_tokens, adjusted.reasoning_tokens),
        )


def _left(tokens: int, adjusted: int) -> int:
    return max(0, tokens + min(0, adjusted))


def owed_by(
    slots: Iterable[Slot], standing: Mapping[UUID, Stands], *, bills: Bills
) -> list[UsageEvent]:
    """Return the events that are missing for these requests to be settled."""
    return [
        event
        for slot in slots
        if slot.phase is not Phase.VOIDED
        for event in _owed(slot, standing.get(slot.admission.request_id), bills)
    ]


def outcome_in_the_end(slot: Slot, *, bills: Bills) -> Outcome:
    """Return how a request ended whose process died at this point of it."""
    progress = slot.offered if bills is Bills.OFFERED else slot.written
    outcome = slot.outcome
    if outcome is not None:
        if slot.phase is Phase.DUE:
            # Nobody got any of it.
            return replace(
                outcome, status=EventStatus.UNDELIVERED, counts=TokenCounts()
            )
        return outcome
    if progress is None:
        progress = _nothing(slot.offered)
    if not progress.counts.output_tokens or slot.phase is Phase.DUE:
        # As whenever we fail: before the first token nothing is billed.
        progress = replace(progress, counts=TokenCounts())
    return outcome_of(progress, EventStatus.DRAINED)


def still_owed(event: UsageEvent, standing: Mapping[UUID, Stands]) -> UsageEvent | None:
    """Return what is left of an event that waits, seen what stands of its request."""
    stands = standing.get(event.admission.request_id)
    if not event.settles and event.request_id in standing:
        # It was committed, and only the answer got lost.
        return None
    if stands is not None and stands.is_given_back:
        return None
    if event.kind is EventKind.UNDELIVERED:
        return event
    if stands is None:
        # What it was a correction of is lost, too.
        if event.settles:
            return event
        return request_event(event.admission, event.outcome)
    late = late_event(event.admission, event.outcome, stands=stands.counts)
    if late is not None and (late.kind, late.counts) == (event.kind, event.counts):
        return event
    return late


def lost_by(
    slots: Iterable[Slot], standing: Mapping[UUID, Stands], queued: Sequence[UsageEvent]
) -> list[UsageEvent]:
    """Return what a process has settled, and the database has no more.

    What is queued is not lost. The process lives: a body that is due is on its way.
    """
    known: set[UUID | None] = {event.request_id for event in queued}
    known |= {event.corrects for event in queued if event.kind is EventKind.LATE}
    ended = [
        replace(slot, phase=Phase.BEGUN) if slot.phase is Phase.DUE else slot
        for slot in slots
        if slot.outcome is not None
    ]
    return [
        event
        for event in owed_by(ended, standing, bills=Bills.OFFERED)
        if event.request_id not in known
        and (event.kind is not EventKind.LATE or event.corrects not in known)
    ]


def _owed(slot: Slot, stands: Stands | None, bills: Bills) -> Iterable[UsageEvent]:
    admission = slot.admission
    outcome = outcome_in_the_end(slot, bills=bills)
    if stands is None:
        yield request_event(admission, outcome)
    if stands is not None and stands.is_given_back:
        return
    if slot.phase in {Phase.RETURNED, Phase.ANNULLED}:
        if stands is not None:
            yield from _late(slot, outcome, stands)
            outcome = replace(outcome, counts=stands.left_of(outcome.counts))
        if stands is None or outcome.counts != TokenCounts():
            yield undelivered_event(
                admission,
                outcome,
                prompt_too=slot.phase is Phase.ANNULLED,
                request_id=slot.correction_id,
            )
        return
    if stands is None or bills is Bills.WRITTEN:
        return
    if slot.phase is Phase.DUE:
        settled = replace(outcome, counts=stands.left_of(stands.counts))
        if settled.counts != TokenCounts():
            yield undelivered_event(admission, settled, prompt_too=True)
        return
    if not stands.is_taken_back:
        yield from _late(slot, outcome, stands)


def _late(slot: Slot, outcome: Outcome, stands: Stands) -> Iterable[UsageEvent]:
    late = late_event(slot.admission, outcome, stands=stands.counts)
    if late is not None:
        yield late


def _nothing(offered: Progress | None) -> Progress:
    """Return the progress of a request of which the client had nothing."""
    return Progress(
        version=0,
        status=None,
        counted_by=CountedBy.NONE,
        replica_id=0 if offered is None else offered.replica_id,
        counts=TokenCounts(),
        generated_tokens=0 if offered is None else offered.generated_tokens,
        first_token_us=None,
        duration_us=0 if offered is None else offered.duration_us,
    )
