"""Roll usage events up into billing days, along the numbers that each epoch gave them.

A batch is one transaction: it takes the events `rolled_seq + 1 .. n` of one epoch, adds
them to their days and moves the mark. It may take only what is proven: the numbers
follow without a gap, each event has a price, and its charge is what that price makes of
its tokens.

Failure: at the first event that breaks the proof the epoch stops there, is reported
with each run, and goes on by itself once the event is there; other epochs are not held
up. Two rollers never take the same epoch at once. Killed anywhere, the next run goes on
from the mark. Owns: day rollups, marks, and the list of changed days for the ledger.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from kit.errors import NotFound
from kit.orm.atomic import atomic, cursor
from metering.usage.calendar import cover
from metering.usage.epochs import complete_to
from metering.usage.rollup_sql import (
    ADD,
    BEHIND,
    CHECK,
    FAULT,
    FRONTIER,
    NO_DAY,
    SHORT_OF,
    TAKE_CHANGED,
)
from tenants.models import Tenant

BATCH_EVENTS = 10_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where an epoch's events stop being provable, and why."""

    epoch_id: int
    gateway: str
    started_at: dt.datetime
    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class RollUp:
    """What one run took over, and where it had to stop."""

    events: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Batch:
    events: int
    faulty_seq: int | None = None


def roll_up(*, batch_events: int = BATCH_EVENTS) -> RollUp:
    """Take over all events committed by now, in batches; resumable anywhere."""
    events = 0
    faults: list[Fault] = []
    with cursor() as session:
        session.execute(BEHIND)
        behind = session.fetchall()
    for epoch_id, gateway, started_at in behind:
        while (batch := _take_batch(epoch_id, batch_events)).events:
            events += batch.events
        if batch.faulty_seq is not None:
            reason = _why(epoch_id, batch.faulty_seq)
            log.error(
                "rollup_stopped",
                epoch_id=epoch_id,
                gateway=gateway,
                seq=batch.faulty_seq,
                reason=reason,
            )
            faults.append(
                Fault(epoch_id, gateway, started_at, batch.faulty_seq, reason)
            )
    return RollUp(events, tuple(faults))


def roll_up_proven(*, now: dt.datetime) -> dt.datetime:
    """Roll up, and return the instant before which rollups are proven complete.

    What is admitted is committed before `complete_to`; what is committed is rolled up
    unless an epoch stopped or is in another roller's hand, and such an epoch holds
    nothing that was admitted before it started.
    """
    proven = complete_to(now=now)
    with cursor() as session:
        session.execute(FRONTIER)
        frontier = session.fetchall()
    roll_up()
    with cursor() as session:
        ids, last = [row[0] for row in frontier], [row[1] for row in frontier]
        session.execute(SHORT_OF, {"ids": ids, "last": last})
        held_back: dt.datetime | None = session.fetchone()[0]
    return proven if held_back is None else min(proven, held_back)


def take_changed_days(*, tenant_id: int, dates: Collection[dt.date]) -> list[dt.date]:
    """Take days off the list of changed ones, in the transaction that uses them.

    A rollup that is just changing such a day is waited for; one that comes later waits
    for the caller's transaction and lists the day again.
    """
    with cursor() as session:
        session.execute(TAKE_CHANGED, {"tenant": tenant_id, "dates": list(dates)})
        return sorted(date for (date,) in session.fetchall())


def _take_batch(epoch_id: int, batch_events: int) -> _Batch:
    """Take the provable events of the next batch; none when there are none left."""
    with atomic(), cursor() as session:
        session.execute(
            "INSERT INTO usage_rollupmark (epoch_id, rolled_seq) VALUES (%s, 0)"
            " ON CONFLICT DO NOTHING",
            [epoch_id],
        )
        session.execute(
            "SELECT rolled_seq FROM usage_rollupmark WHERE epoch_id = %s"
            " FOR UPDATE SKIP LOCKED",
            [epoch_id],
        )
        mark = session.fetchone()
        if mark is None:
            return _Batch(0)  # another roller has this epoch in hand
        after = mark[0]
        session.execute("SELECT last_seq FROM usage_epoch WHERE id = %s", [epoch_id])
        upto = min(session.fetchone()[0], after + batch_events)
        # Read in a later statement than `last_seq`, so everything up to it is visible.
        span = {"epoch": epoch_id, "after": after, "upto": upto}
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
        tenant = Tenant.objects.filter(pk=tenant_id).first()
        if tenant is None:
            raise NotFound(f"Usage names tenant {tenant_id}, which does not exist.")
        cover(tenant=tenant, earliest=earliest, latest=latest)


def _why(epoch_id: int, seq: int) -> str:
    with cursor() as session:
        session.execute(FAULT, {"epoch": epoch_id, "seq": seq})
        found = session.fetchall()
    match found:
        case []:
            return "the number is missing"
        case [(_, _, None)]:
            return "its price does not exist"
        case [(_, charge, rated)]:
            return f"it was charged {charge} picos and rates to {rated}"
        case _:
            return f"the number was given {len(found)} times"
