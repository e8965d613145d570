"""Settle what a dead gateway process left: in one transaction, once or many times.

The epoch's row is locked first, which waits for a commit that is under way and keeps
every other out. What stands is then looked up by key, and only what is missing is
inserted: into the epoch itself while it is open, which is then closed, else into an
epoch made for it. Failure: an event that can never be stored is left out, loudly, and
the others go on; anything else takes all of it back. Used by gateways for journals and
by the reaper for checkpoints, on connections of their own; loads no Django.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import structlog

from kit.contracts import TokenCounts
from metering.intake import recovery_statements as statements
from metering.intake.arrays import PackedArray, register_arrays
from metering.intake.events import UsageEvent, parameters, sort_key
from metering.intake.owed import Bills, Stands, owed_by
from metering.intake.slots import KEPT_US, Slot
from metering.intake.statements import COMMIT_BATCH, FAULT_OF_AN_EVENT

BATCH_EVENTS_MAX = 2000

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

log = structlog.get_logger("tollgate.intake")


class UnknownEpochError(Exception):
    """The database has no such epoch of this gateway."""


@dataclass(frozen=True, slots=True)
class DeadEpoch:
    """An epoch whose process is gone, and what that had counted, where it is known."""

    id: int
    gateway: str
    # When it was opened: with it the id is nobody else's, whatever the database.
    started_us: int | None = None
    admitted: int | None = None
    voided: int | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was posted: events of requests, and corrections."""

    requests: int = 0
    corrections: int = 0
    refused: int = 0


def settle_dead(
    connection: Connection,
    epoch: DeadEpoch,
    slots: Iterable[Slot],
    *,
    bills: Bills,
) -> Recovered:
    """Post what is owed and close the epoch; raises `UnknownEpochError`.

    A failover may have lost the epoch's row: an event of this journal that still stands
    then proves that the database is the one. The caller owns the transaction.
    """
    register_arrays(connection)
    cursor = psycopg.Cursor(connection)
    row = cursor.execute(statements.LOCK_EPOCH, {"epoch_id": epoch.id}).fetchone()
    is_known = row is not None and row[:2] == (
        epoch.gateway,
        epoch.started_us or row[1],
    )
    every = list(slots)
    found = kept(every)
    standing = _standing(cursor, found if is_known else every)
    if not is_known and not standing:
        raise UnknownEpochError(f"the database has no epoch {epoch.id} of its gateway")
    owed = owed_by(found, standing, bills=bills)
    owed.sort(key=sort_key)
    if row is not None and is_known and row[2] == "open":
        poster = _Poster(connection, cursor, epoch.id, int(row[3]))
        poster.post(owed)
    else:
        poster = _post_elsewhere(connection, cursor, epoch, owed)
    if is_known:
        # With what its process had counted; else as of its last heartbeat.
        is_here = poster.epoch_id == epoch.id
        elsewhere = 0 if is_here else _elsewhere(cursor, epoch, found, poster.requests)
        cursor.execute(
            statements.END_EPOCH,
            {
                "epoch_id": epoch.id,
                "admitted": epoch.admitted,
                "voided": epoch.voided,
                "elsewhere": elsewhere,
            },
        )
    corrections = len(poster.posted) - poster.requests
    return Recovered(poster.requests, corrections, len(owed) - len(poster.posted))


def _post_elsewhere(
    connection: Connection, cursor: Cursor, epoch: DeadEpoch, owed: list[UsageEvent]
) -> "_Poster":
    """Post under an epoch made for it: the dead one's own is closed, or lost."""
    if not owed:
        return _Poster(connection, cursor, 0, 0)
    made = cursor.execute(
        statements.MAKE_EPOCH, {"gateway": f"{epoch.gateway} recovery"}
    ).fetchone()
    if made is None:
        raise RuntimeError("the database opened no epoch")
    poster = _Poster(connection, cursor, int(made[0]), 0)
    poster.post(owed)
    cursor.execute(
        statements.END_EPOCH,
        {
            "epoch_id": poster.epoch_id,
            "admitted": poster.requests,
            "voided": 0,
            "elsewhere": 0,
        },
    )
    return poster


def _elsewhere(
    cursor: Cursor, epoch: DeadEpoch, slots: Sequence[Slot], posted: int
) -> int:
    """Return how many of its requests were settled in other epochs.

    What a process had counted includes those that an earlier try posted there: whoever
    tried may have died before the journal was removed.
    """
    if epoch.admitted is None or not slots:
        return posted
    cursor.execute(
        statements.RECOVERED,
        {
            **_keys(slots),
            "epoch_id": epoch.id,
            "gateway": f"{epoch.gateway} recovery",
        },
    )
    row = cursor.fetchone()
    return posted if row is None else int(row[0])


def _keys(slots: Sequence[Slot]) -> dict[str, Any]:
    return {
        "tenant_ids": [slot.admission.caller.tenant_id for slot in slots],
        "request_ids": [slot.admission.request_id for slot in slots],
    }


def kept(slots: Iterable[Slot]) -> list[Slot]:
    """Return the slots that may owe something."""
    found = list(slots)
    since_us = max((slot.committed_us for slot in found), default=0) - KEPT_US
    return [
        slot for slot in found if not slot.committed_us or slot.committed_us >= since_us
    ]


def _standing(cursor: Cursor, slots: Sequence[Slot]) -> dict[UUID, Stands]:
    if not slots:
        return {}
    cursor.execute(statements.STANDING, _keys(slots))
    return stands_of(cursor.fetchall())


def stands_of(rows: Iterable[Sequence[Any]]) -> dict[UUID, Stands]:
    """Read what `STANDING` returns."""
    return {
        request_id: Stands(
            TokenCounts(*map(int, values[:4])),
            is_given_back=values[4],
            adjusted=TokenCounts(*map(int, values[5:])),
        )
        for request_id, *values in rows
    }


@dataclass(slots=True)
class _Poster:
    """Inserts events under the next numbers of an open epoch."""

    connection: Connection
    cursor: Cursor
    epoch_id: int
    last_seq: int
    posted: list[UsageEvent] = field(default_factory=list[UsageEvent])

    @property
    def requests(self) -> int:
        """Return how many requests were settled by what was posted."""
        return sum(event.settles for event in self.posted)

    def post(self, events: Sequence[UsageEvent]) -> None:
        """Insert these, in halves where one of them is at fault."""
        for start in range(0, len(events), BATCH_EVENTS_MAX):
            self._post_or_halve(events[start : start + BATCH_EVENTS_MAX])

    def _post_or_halve(self, events: Sequence[UsageEvent]) -> None:
        try:
            with self.connection.transaction():
                self._insert(events)
        except FAULT_OF_AN_EVENT as error:
            if len(events) > 1:
                half = len(events) // 2
                self._post_or_halve(events[:half])
                self._post_or_halve(events[half:])
                return
            log.critical(
                "event_refused",
                request_id=str(events[0].request_id),
                tenant_id=events[0].admission.caller.tenant_id,
                reason=type(error).__name__,
            )
            return
        self.last_seq += len(events)
        self.posted += events

    def _insert(self, events: Sequence[UsageEvent]) -> None:
        first, last = self.last_seq + 1, self.last_seq + len(events)
        values: dict[str, PackedArray | int | str] = {
            **parameters(events, first=first),
            "epoch_id": self.epoch_id,
            "first": first,
            "last": last,
            "settled": sum(event.settles for event in events),
            # The leases of a dead epoch go with it.
            "spent": "",
            "admitted": 0,
            "voided": 0,
        }
        row = self.cursor.execute(COMMIT_BATCH, values, binary=True).fetchone()
        if row is None or row[0] != 1:
            raise RuntimeError("the epoch was not held")
