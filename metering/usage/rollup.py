"""Roll usage events up into billing days, along the numbers that each epoch gave them.

A batch is one transaction: it takes the events `rolled_seq + 1 .. n` of one epoch, adds
them to their days and moves the mark. It may take only what is proven: the numbers
follow without a gap, each event has a tenant and a price, and its charge is what that
price makes of its tokens.

Failure: at the first event that breaks the proof the epoch stops there, is reported
with each run, and goes on by itself once the event is there; other epochs are not held
up. Two rollers never take the same epoch at once. Killed anywhere, the next run goes on
from the mark. Owns: day rollups, marks, and the list of changed days for the ledger.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from kit.orm.atomic import atomic, cursor
from metering.usage.calendar import cover
from metering.usage.epochs import complete_to
from metering.usage.rollup_sql import (
    ADD,
    BEHIND,
    CHECK,
    FAULT,
    LOCK_OR_SKIP,
    LOCK_WAITING,
    NO_DAY,
    SHORT_OF,
    TAKE_CHANGED,
)
from tenants.models import Tenant

BATCH_EVENTS = 10_000
# A process that loses its epoch takes its running and its waiting requests along into
# the next one. They run for an hour at most and wait as long as the database is away.
CARRIED_OVER_MAX = dt.timedelta(days=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where an epoch's events stop being provable, and why."""

    epoch_id: int
    gateway: str
    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class RollUp:
    """What one run took over, and where it had to stop."""

    events: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Behind:
    """An epoch with committed events above its mark, and how many it had by then."""

    epoch_id: int
    gateway: str
    last_seq: int


@dataclass(frozen=True, slots=True)
class _Batch:
    events: int
    faulty_seq: int | None = None


def roll_up(*, batch_events: int = BATCH_EVENTS) -> RollUp:
    """Take over all events committed by now, in batches; resumable anywhere.

    An epoch that another roller has in hand is left to it.
    """
    return _roll_up(_behind(), batch_events, wait=False)


def roll_up_proven(*, now: dt.datetime) -> dt.datetime:
    """Roll up, and return the instant before which rollups are proven complete.

    What was admitted before `complete_to` is committed, and what is committed is rolled
    up: here another roller is waited for. Only an epoch that had to stop holds this
    back, to an instant before which nothing in it can have been admitted.
    """
    proven = complete_to(now=now)
    behind = _behind()
    _roll_up(behind, BATCH_EVENTS, wait=True)
    with cursor() as session:
        targets = {
            "ids": [each.epoch_id for each in behind],
            "last": [each.last_seq for each in behind],
        }
        session.execute(SHORT_OF, targets)
        stopped: dt.datetime | None = session.fetchone()[0]
    return proven if stopped is None else min(proven, stopped - CARRIED_OVER_MAX)


def take_changed_days(*, tenant_id: int, dates: Collection[dt.date]) -> list[dt.date]:
    """Take days off the list of changed ones, in the transaction that uses them.

    A rollup that is just changing such a day is waited for; one that comes later waits
    for the caller's transaction and lists the day again.
    """
    with cursor() as session:
        session.execute(TAKE_CHANGED, {"tenant": tenant_id, "dates": list(dates)})
        return sorted(date for (date,) in session.fetchall())


def _behind() -> list[_Behind]:
    with cursor() as session:
        session.execute(BEHIND)
        return [_Behind(*row) for row in session.fetchall()]


def _roll_up(behind: Sequence[_Behind], batch_events: int, *, wait: bool) -> RollUp:
    """Bring each epoch to where it stood when it was looked at, and no further.

    Going on to what is committed meanwhile would never end under load.
    """
    events = 0
    faults: list[Fault] = []
    for epoch in behind:
        while (batch := _take_batch(epoch, batch_events, wait=wait)).events:
            events += batch.events
        if batch.faulty_seq is not None:
            faults.append(_fault(epoch, batch.faulty_seq))
    return RollUp(events, tuple(faults))


def _take_batch(epoch: _Behind, batch_events: int, *, wait: bool) -> _Batch:
    """Take the provable events of the next batch; none when there are none left."""
    with atomic(), cursor() as session:
        session.execute(
            "INSERT INTO usage_rollupmark (epoch_id, rolled_seq) VALUES (%s, 0)"
            " ON CONFLICT DO NOTHING",
            [epoch.epoch_id],
        )
        session.execute(LOCK_WAITING if wait else LOCK_OR_SKIP, [epoch.epoch_id])
        mark = session.fetchone()
        if mark is None:
            return _Batch(0)
        after = mark[0]
        upto = min(epoch.last_seq, after + batch_events)
        if upto <= after:
            return _Batch(0)
        span = {"epoch": epoch.epoch_id, "after": after, "upto": upto}
        session.execute(CHECK, span)
        count, broken = session.fetchone()
        faulty_seq = broken if broken is not None else after + count + 1
        if faulty_seq <= upto:
            span["upto"] = faulty_seq - 1
        taken = span["upto"] - after
        if taken:
            _add(span, taken)
        return _Batch(taken, faulty_seq if faulty_seq <= upto else None)


def _add(span: dict[str, int], expected: int) -> None:
    """Add a proven span of events to their days and move the mark past it."""
    _cover_events(span)
    with cursor() as session:
        session.execute(ADD, span)
        added = session.fetchone()[0]
        if added != expected:
            # Rolls the batch back: a join must never lose an event.
            raise RuntimeError(f"{expected} events became {added} in a rollup: {span}")
        session.execute(
            "UPDATE usage_rollupmark SET rolled_seq = %(upto)s"
            " WHERE epoch_id = %(epoch)s",
            span,
        )


def _cover_events(span: dict[str, int]) -> None:
    """Write the billing days of events that have none yet, as a new tenant's first."""
    with cursor() as session:
        session.execute(NO_DAY, span)
        without = session.fetchall()
    for tenant_id, earliest, latest in without:
        tenant = Tenant.objects.get(pk=tenant_id)
        cover(tenant=tenant, earliest=earliest, latest=latest)


def _fault(epoch: _Behind, seq: int) -> Fault:
    """Find out why an epoch cannot go on, and say so."""
    with cursor() as session:
        session.execute(FAULT, {"epoch": epoch.epoch_id, "seq": seq})
        found = session.fetchall()
    match found:
        case []:
            reason = "the number is missing"
        case [(_, _, None)]:
            reason = "its tenant does not exist"
        case [(_, None, _)]:
            reason = "its price does not exist"
        case [(charge, rated, _)]:
            reason = f"it was charged {charge} picos and rates to {rated}"
        case _:
            reason = f"the number was given {len(found)} times"
    log.error(
        "rollup_stopped",
        epoch_id=epoch.epoch_id,
        gateway=epoch.gateway,
        seq=seq,
        reason=reason,
    )
    return Fault(epoch.epoch_id, epoch.gateway, seq, reason)
