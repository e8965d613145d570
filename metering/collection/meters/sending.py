"""One event on its way to a meter, or on its way back.

A call is a committed row before it is made, and its key holds the number of the
attempt: an attempt in doubt is made again as it was. Stripe knows an identifier for a
day at least; after that, and for hours that are as old, what the meter counts of the
hour says whether it has the event. It says so too of what it would not take back: a
refusal may be the replay of a failure behind which it was done.

Of an hour and count only one event is tried at a time, so that its sum can tell.

Failure: `OutcomeUnknown` passes, once the row says it. Owns: `MeterEvent`, with
`noting`.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import F, Q, QuerySet, Sum

from metering.billing.operations import (
    KEY_LIFE,
    REFUSALS_MAX,
    RETRY_AFTER,
    RETRY_AFTER_MAX,
    CallRefused,
    OutcomeUnknown,
)
from metering.collection.models import MeterEvent
from metering.collection.models.following import TEXT_CHARS_MAX
from metering.collection.models.meters import IS_TRIED

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.meters import RemoteMeter

TRY_AGAIN = dt.timedelta(minutes=1)
LOOK_AGAIN = dt.timedelta(hours=1)
# Stripe's 35 days, less an hour for the call.
TOLD_WITHIN = dt.timedelta(days=35, hours=-1)
TOO_OLD = "Meters take no more than 35 days."

State = MeterEvent.State


@dataclass(frozen=True, slots=True)
class Line:
    """The way to an account's meters, for one customer of it."""

    client: "StripeAccount"
    meters: Mapping[str, "RemoteMeter"]
    customer: str
    now: dt.datetime


def send(row: MeterEvent, line: Line) -> bool:
    """Tell its meter of an event that waits; tell whether the meter has it by now."""
    # Without a call the SDK stays out of the process.
    from metering.billing.providers.stripe.client.meters import Use  # noqa: PLC0415

    now = line.now
    if now - row.hour > TOLD_WITHIN:
        _put(row, state=State.PARKED, problem=TOO_OLD)
        return False
    if _another_goes_first(row):
        wait(row, "What was noted before of its hour goes first.", now + TRY_AGAIN)
        return False
    try:
        if _is_forgotten(row, now):
            counted, known = _counted(row, line), _known_of_hour(row)
            if counted == known + row.quantity:
                return _told(row)
            if counted != known:
                wait(row, _differ(counted, known), now + LOOK_AGAIN)
                return False
            _put(row, sent_at=None)
            row.sent_at = None
        if not _intend(row, now):
            return False
        use = Use(line.customer, row.quantity, row.hour, row.identifier)
        line.client.meters.tell(line.meters[row.event_name], use, key=_key(row))
    except CallRefused as refusal:
        _refused(row, str(refusal), now)
        return False
    except OutcomeUnknown as doubt:
        wait(row, str(doubt), now + TRY_AGAIN)
        raise
    return _told(row)


def take_back(row: MeterEvent, line: Line) -> None:
    """Cancel an event that was told."""
    now = line.now
    if _another_goes_first(row):
        wait(row, "Another event of its hour goes first.", now + TRY_AGAIN)
        return
    is_late = row.sent_at is not None and now - row.sent_at >= KEY_LIFE
    try:
        if row.refusals or is_late:
            _see_what_became(row, line)
            return
        if not _intend(row, now):
            return
        line.client.meters.cancel(row.event_name, row.identifier, key=_key(row))
    except CallRefused as refusal:
        # The meter lags behind what it is told: it is asked later.
        _put(
            row,
            problem=f"It could not be taken back: {refusal}",
            refusals=min(row.refusals + 1, REFUSALS_MAX),
            sent_at=None,
            try_at=now + LOOK_AGAIN,
        )
    except OutcomeUnknown as doubt:
        wait(row, str(doubt), now + TRY_AGAIN)
        raise
    else:
        _put(row, state=State.CANCELLED, problem="", sent_at=None)


def wait(row: MeterEvent, problem: str, until: dt.datetime) -> None:
    """Let an event wait, and say for what."""
    _put(row, problem=problem, try_at=until)


def _see_what_became(row: MeterEvent, line: Line) -> None:
    """Let the meter's sum say whether an event was taken back."""
    counted, known = _counted(row, line), _known_of_hour(row)
    if counted == known:
        _put(row, state=State.CANCELLED, problem="", sent_at=None)
    elif counted == known + row.quantity:
        # It is taken back again with the next look at its hour, if there is time.
        text = row.problem or "It was not taken back."
        _put(row, state=State.TOLD, problem=text, sent_at=None)
    else:
        wait(row, _differ(counted, known), line.now + LOOK_AGAIN)


def _told(row: MeterEvent) -> bool:
    since = _first_heard_at(row)
    return _put(row, state=State.TOLD, problem="", told_at=since, sent_at=None)


def _differ(counted: int, known: int) -> str:
    return f"The meter counts {counted:,} of its hour, and was told {known:,}."


def _intend(row: MeterEvent, now: dt.datetime) -> bool:
    """Commit the attempt that is made now; False when it is not to be made any more."""
    if row.sent_at is not None:
        return True
    changes = {"attempt": F("attempt") + 1, "sent_at": now}
    if not _put(row, **changes):
        return False
    row.attempt, row.sent_at = row.attempt + 1, now
    return True


def _refused(row: MeterEvent, problem: str, now: dt.datetime) -> None:
    refusals = row.refusals + 1
    patience = min(RETRY_AFTER * 2 ** (refusals - 1), RETRY_AFTER_MAX)
    is_last = refusals >= REFUSALS_MAX
    _put(
        row,
        state=State.PARKED if is_last else State.WAITING,
        problem=problem,
        refusals=refusals,
        sent_at=None,
        try_at=now + patience,
    )


def _put(row: MeterEvent, **changes: object) -> bool:
    """Change a row, unless it is in another state by now; tell whether it was."""
    if isinstance(problem := changes.get("problem"), str):
        changes["problem"] = problem[:TEXT_CHARS_MAX]
    same = MeterEvent.objects.filter(pk=row.pk, state=row.state)
    return bool(same.update(**changes))


def _key(row: MeterEvent) -> str:
    return f"{row.identifier}/{row.attempt}"


def _is_forgotten(row: MeterEvent, now: dt.datetime) -> bool:
    """Tell whether Stripe may have had it, and not know its identifier any more."""
    return now - _first_heard_at(row) >= KEY_LIFE


def _first_heard_at(row: MeterEvent) -> dt.datetime:
    """Return the earliest moment at which Stripe may have taken it.

    What was refused may have been taken by an attempt before. What was never sent may
    be there too, if the database was restored from before.
    """
    if not row.attempt:
        return row.hour_ends_at
    if row.attempt == 1 and row.sent_at is not None:
        return row.sent_at
    return row.noted_at


def _another_goes_first(row: MeterEvent) -> bool:
    """Tell whether another event of its hour must be decided before it is tried."""
    if row.is_tried:
        return False
    others = _of_hour(row).exclude(pk=row.pk)
    earlier = Q(seq__lt=row.seq, state__in=(State.WAITING, State.CANCELLING))
    first = IS_TRIED | earlier if row.state == State.WAITING else IS_TRIED
    return others.filter(first).exists()


def _known_of_hour(row: MeterEvent) -> int:
    """Return what its meter has of the hour for certain, without this one."""
    here = Q(state=State.TOLD) | (Q(state=State.CANCELLING) & ~IS_TRIED)
    others = _of_hour(row).exclude(pk=row.pk).filter(here, event_name=row.event_name)
    return int(others.aggregate(sum=Sum("quantity"))["sum"] or 0)


def _of_hour(row: MeterEvent) -> QuerySet[MeterEvent]:
    return MeterEvent.objects.filter(
        account=row.account,
        tenant_id=row.tenant_id,
        hour=row.hour,
        counted=row.counted,
    )


def _counted(row: MeterEvent, line: Line) -> int:
    return line.client.meters.counted(
        line.meters[row.event_name],
        line.customer,
        start=row.hour,
        end=row.hour_ends_at,
    )
