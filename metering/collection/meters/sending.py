"""One event on its way to a meter, or on its way back.

A call is a committed row before it is made, and its key holds the number of the
attempt: an attempt in doubt is made again as it was. Stripe knows an identifier for a
day at least; after that, and for hours that are as old, what the meter counts of the
hour says whether it has the event.

Failure: `OutcomeUnknown` passes, once the row says it. Owns: `MeterEvent`, with
`noting`.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import F, QuerySet, Sum

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

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.meters import RemoteMeter

TRY_AGAIN = dt.timedelta(minutes=1)
LOOK_AGAIN = dt.timedelta(hours=1)
# Stripe's 35 days, less an hour for the call.
TOLD_WITHIN = dt.timedelta(days=35, hours=-1)

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
        _put(row, state=State.PARKED, problem="Meters take no more than 35 days.")
        return False
    if _earlier_waits(row):
        wait(row, "What was noted before of its hour goes first.", now + TRY_AGAIN)
        return False
    if _is_forgotten(row, now):
        counted, known = _counted(row, line), _told_of_hour(row)
        if counted == known + row.quantity:
            return _put(row, state=State.TOLD, problem="", told_at=now, sent_at=None)
        if counted != known:
            text = f"The meter counts {counted:,} of its hour, and was told {known:,}."
            wait(row, text, now + LOOK_AGAIN)
            return False
        _put(row, sent_at=None)
    if not _intend(row, now):
        return False
    use = Use(line.customer, row.quantity, row.hour, row.identifier)
    try:
        line.client.meters.tell(line.meters[row.event_name], use, key=_key(row))
    except CallRefused as refusal:
        _refused(row, str(refusal), now)
        return False
    except OutcomeUnknown as doubt:
        wait(row, str(doubt), now + TRY_AGAIN)
        raise
    return _put(row, state=State.TOLD, problem="", told_at=now, sent_at=None)


def take_back(row: MeterEvent, line: Line) -> None:
    """Cancel an event that was told."""
    now = line.now
    if row.sent_at is not None and now - row.sent_at >= KEY_LIFE:
        counted, known = _counted(row, line), _told_of_hour(row)
        if counted == known:
            _put(row, state=State.CANCELLED, problem="", sent_at=None)
        elif counted == known + row.quantity:
            _put(row, state=State.TOLD, problem="It was not taken back.", sent_at=None)
        else:
            text = f"The meter counts {counted:,} of its hour, and was told {known:,}."
            wait(row, text, now + LOOK_AGAIN)
        return
    if not _intend(row, now):
        return
    try:
        line.client.meters.cancel(row.event_name, row.identifier, key=_key(row))
    except CallRefused as refusal:
        text = f"It could not be taken back: {refusal}"
        _put(row, state=State.TOLD, problem=text, sent_at=None)
    except OutcomeUnknown as doubt:
        wait(row, str(doubt), now + TRY_AGAIN)
        raise
    else:
        _put(row, state=State.CANCELLED, problem="", sent_at=None)


def wait(row: MeterEvent, problem: str, until: dt.datetime) -> None:
    """Let an event wait, and say for what."""
    _put(row, problem=problem, try_at=until)


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
    """Tell whether Stripe may have had it, and not know its identifier any more.

    What was never sent may be there too, if the database was restored from before.
    """
    if row.sent_at is not None:
        return now - row.sent_at >= KEY_LIFE
    return not row.attempt and now - row.hour_ends_at >= KEY_LIFE


def _earlier_waits(row: MeterEvent) -> bool:
    return (
        row.seq > 1
        and _of_hour(row)
        .filter(seq__lt=row.seq, state__in=(State.WAITING, State.CANCELLING))
        .exists()
    )


def _told_of_hour(row: MeterEvent) -> int:
    told = _of_hour(row).filter(state=State.TOLD, event_name=row.event_name)
    return int(told.aggregate(sum=Sum("quantity"))["sum"] or 0)


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
