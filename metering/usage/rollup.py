"""Roll usage events up into days, hours and totals, along each epoch's numbers.

A batch is one transaction: it takes the events `rolled_seq + 1 .. n` of one epoch, adds
them to their billing days, to their hours of UTC, with keys and without, and to the
totals over tenants, notes when each key was last used and for which model, and moves
the mark. It may take
only what is proven: the numbers follow without a gap, each event has a tenant and a
price, and its charge is what that price makes of its tokens. Where events were rolled
up before there were hours or totals, an epoch's lag behind. Each run takes these a few
batches further once it has taken what is new: one roller at a time, so that years of
them hold up no new event and no other task.

Failure: at the first event that breaks the proof the epoch stops there, is reported
with each run, and goes on by itself once the event is there; other epochs are not held
up. Two rollers never take the same epoch at once. Killed anywhere, the next run goes on
from the mark. Owns: day, hour and UTC rollups, totals, marks, the list of changed days
for the ledger, and the last use of keys.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from kit.orm.atomic import atomic, cursor
from metering.usage.calendar import cover
from metering.usage.epochs import complete_to
from metering.usage.key_hours_sql import ADD_KEY_HOURS
from metering.usage.rollup_sql import (
    ADD_DAYS,
    ADD_HOURS,
    BEHIND,
    CATCH_UP_TURN,
    CHECK,
    FAULT,
    LAGGING,
    LOCK_OR_SKIP,
    LOCK_WAITING,
    NO_DAY,
    NOTE_USE,
    SHORT_OF,
    TAKE_CHANGED,
)
from metering.usage.totals_sql import ADD_TOTALS
from tenants.models import Tenant

BATCH_EVENTS = 50_000
CAUGHT_UP_BATCHES_MAX = 4
"""How many batches of what lags behind days a run takes: some seconds of work."""
# A process that loses its epoch takes its running and its waiting requests along into
# the next one. They run for an hour at most and wait as long as the database is away.
CARRIED_OVER_MAX = dt.timedelta(days=1)

# A tenant's id, and the date of one of its billing days.
TenantDay = tuple[int, dt.date]

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
    """An epoch with committed events above a mark, and up to where it is looked at."""

    epoch_id: int
    gateway: str
    last_seq: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """Up to which number an epoch's days, hours and totals hold its events."""

    rolled_seq: int
    hours_seq: int
    keyed_seq: int
    totals_seq: int

    @property
    def _sums(self) -> tuple[int, int, int]:
        return self.hours_seq, self.keyed_seq, self.totals_seq

    def rolled_to(self, seq: int) -> "_Mark":
        """Return the mark of days moved, and those with it that stand where it does."""
        before = self.rolled_seq
        return _Mark(seq, *(seq if each == before else each for each in self._sums))

    def caught_up(self, batch_events: int) -> "_Mark":
        """Return the marks with each moved towards the days, by a batch at most."""
        upto = self.rolled_seq
        return _Mark(upto, *(min(upto, each + batch_events) for each in self._sums))


@dataclass(frozen=True, slots=True)
class _Batch:
    """How many new events one transaction took, and before which it had to stop."""

    events: int = 0
    faulty_seq: int | None = None


def roll_up(*, batch_events: int = BATCH_EVENTS) -> RollUp:
    """Take over all events committed by now, in batches; resumable anywhere.

    An epoch that another roller has in hand is left to it. Of what lags behind days
    only so much is taken as a run has time for.
    """
    rolled = _roll_up(_epochs(BEHIND), batch_events, wait=False)
    _catch_up(batch_events)
    return rolled


def roll_up_proven(*, now: dt.datetime) -> dt.datetime:
    """Roll up, and return the instant before which rollups are proven complete.

    What was admitted before `complete_to` is committed, and what is committed is rolled
    up to days: here another roller is waited for. Only an epoch that had to stop holds
    this back, to an instant before which nothing in it can have been admitted.
    """
    proven = complete_to(now=now)
    behind = _epochs(BEHIND)
    _roll_up(behind, BATCH_EVENTS, wait=True)
    with cursor() as session:
        targets = {
            "ids": [each.epoch_id for each in behind],
            "last": [each.last_seq for each in behind],
        }
        session.execute(SHORT_OF, targets)
        stopped: dt.datetime | None = session.fetchone()[0]
    return proven if stopped is None else min(proven, stopped - CARRIED_OVER_MAX)


def take_changed_days(days: Collection[TenantDay]) -> list[TenantDay]:
    """Take days off the list of changed ones, in the transaction that uses them.

    A rollup that is just changing such a day is waited for; one that comes later waits
    for the caller's transaction and lists the day again.
    """
    asked: dict[str, Any] = {
        "tenants": [tenant_id for tenant_id, _ in days],
        "dates": [date for _, date in days],
    }
    with cursor() as session:
        session.execute(TAKE_CHANGED, asked)
        return sorted(session.fetchall())


def _epochs(statement: str) -> list[_Behind]:
    with cursor() as session:
        session.execute(statement)
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
    """Take the provable events of the next batch; none when there are none left.

    What lags behind days stays where it is, and is caught up with by itself.
    """
    with atomic():
        mark = _lock_mark(epoch, wait=wait)
        if mark is None:
            return _Batch()
        rolled, faulty_seq = _provable(epoch, mark.rolled_seq, batch_events)
        _advance(epoch, mark, mark.rolled_to(rolled))
        return _Batch(rolled - mark.rolled_seq, faulty_seq)


def _catch_up(batch_events: int) -> None:
    """Take a few batches of what was rolled up to days alone; nothing is waited for."""
    left = CAUGHT_UP_BATCHES_MAX
    for epoch in _epochs(LAGGING):
        while left and (has_moved := _catch_up_batch(epoch, batch_events)):
            left -= 1
        if not left or has_moved is None:
            return


def _catch_up_batch(epoch: _Behind, batch_events: int) -> bool | None:
    """Take a batch of what lags in an epoch; tell whether there was anything.

    Not where another roller has the epoch in hand; None while another catches up.
    """
    with atomic():
        with cursor() as session:
            session.execute(CATCH_UP_TURN)
            (is_ours,) = session.fetchone()
        if not is_ours:
            return None
        mark = _lock_mark(epoch, wait=False)
        if mark is None:
            return False
        further = mark.caught_up(batch_events)
        _advance(epoch, mark, further)
        return further != mark


def _lock_mark(epoch: _Behind, *, wait: bool) -> _Mark | None:
    """Lock an epoch's mark; None while another roller has it and is not waited for."""
    with cursor() as session:
        session.execute(
            "INSERT INTO usage_rollupmark (epoch_id, rolled_seq) VALUES (%s, 0)"
            " ON CONFLICT DO NOTHING",
            [epoch.epoch_id],
        )
        session.execute(LOCK_WAITING if wait else LOCK_OR_SKIP, [epoch.epoch_id])
        found = session.fetchone()
    return None if found is None else _Mark(*found)


def _move_mark(epoch: _Behind, mark: _Mark) -> None:
    with cursor() as session:
        session.execute(
            "UPDATE usage_rollupmark SET rolled_seq = %s, hours_seq = %s,"
            " keyed_seq = %s, totals_seq = %s WHERE epoch_id = %s",
            [
                mark.rolled_seq,
                mark.hours_seq,
                mark.keyed_seq,
                mark.totals_seq,
                epoch.epoch_id,
            ],
        )


def _provable(epoch: _Behind, after: int, batch_events: int) -> tuple[int, int | None]:
    """Return the last number up to which events are proven, and the faulty one next."""
    upto = min(epoch.last_seq, after + batch_events)
    if upto <= after:
        return after, None
    with cursor() as session:
        session.execute(CHECK, _span(epoch, after, upto))
        count, broken = session.fetchone()
    faulty_seq = broken if broken is not None else after + count + 1
    return (upto, None) if faulty_seq > upto else (faulty_seq - 1, faulty_seq)


def _advance(epoch: _Behind, mark: _Mark, further: _Mark) -> None:
    """Add what lies between two marks, always in this order, and move the mark."""
    _add_days(epoch, mark.rolled_seq, further.rolled_seq)
    _add_hours(epoch, mark.hours_seq, further.hours_seq)
    _add_key_hours(epoch, mark.keyed_seq, further.keyed_seq)
    _note_use(epoch, mark.rolled_seq, further.rolled_seq)
    _add_totals(epoch, mark.totals_seq, further.totals_seq)
    if further != mark:
        _move_mark(epoch, further)


def _add_days(epoch: _Behind, after: int, upto: int) -> None:
    """Add a proven span of events to their billing days."""
    if upto > after:
        span = _span(epoch, after, upto)
        _cover_events(span)
        _add(ADD_DAYS, span)


def _add_hours(epoch: _Behind, after: int, upto: int) -> None:
    """Add a span of events that is proven, now or by an earlier batch, to its hours."""
    if upto > after:
        _add(ADD_HOURS, _span(epoch, after, upto))


def _add_key_hours(epoch: _Behind, after: int, upto: int) -> None:
    """Add a proven span of events to its hours by project and key, as far as kept."""
    if upto > after:
        _add(ADD_KEY_HOURS, _span(epoch, after, upto))


def _add_totals(epoch: _Behind, after: int, upto: int) -> None:
    """Add a proven span of events to the sums over tenants."""
    if upto > after:
        _add(ADD_TOTALS, _span(epoch, after, upto))


def _note_use(epoch: _Behind, after: int, upto: int) -> None:
    """Keep the last use of each key in a span: once a batch, never as it is used."""
    if upto > after:
        with cursor() as session:
            session.execute(NOTE_USE, _span(epoch, after, upto))


def _add(statement: str, span: dict[str, int]) -> None:
    expected = span["upto"] - span["after"]
    with cursor() as session:
        session.execute(statement, span)
        added = session.fetchone()[0]
    if added != expected:
        # Rolls the batch back: a join must never lose an event.
        raise RuntimeError(f"{expected} events became {added} in a rollup: {span}")


def _span(epoch: _Behind, after: int, upto: int) -> dict[str, int]:
    return {"epoch": epoch.epoch_id, "after": after, "upto": upto}


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
