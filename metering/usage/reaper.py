"""Settle what a lost gateway's requests had used, by its last checkpoint.

A gateway that has been silent for longer than a lease lives can hand over nothing more:
its epoch is closed, and what its clients had then is billed. Its journal, should it be
found later, adds only the difference. Failure: while PostgreSQL was away nobody could
write a heartbeat, so its time does not count; an epoch that cannot be settled is left
for the next run and does not keep others from it.
"""

import datetime as dt

import structlog

from kit.orm.atomic import atomic, cursor
from metering.intake.owed import Bills
from metering.intake.recovery import DeadEpoch, Recovered, settle_dead
from metering.intake.slots import read_slots
from metering.usage.epochs import SILENCE_MAX, SILENT

log = structlog.get_logger(__name__)

# Also one that somebody else closed, who did not know what was running in it.
_LOST = f"""
    SELECT id FROM usage_epoch
    WHERE {SILENT} AND (
        state = 'open' OR id IN (SELECT epoch_id FROM usage_checkpoint)
    )
    ORDER BY id
"""  # noqa: S608 - put together from the constant above

_LOCK = f"""
    SELECT gateway, state FROM usage_epoch
    WHERE id = %(epoch_id)s AND {SILENT}
    FOR UPDATE
"""  # noqa: S608 - put together from the constant above

# By itself: beside the lock it would show what was there before the wait.
_CHECKPOINT = "SELECT slots FROM usage_checkpoint WHERE epoch_id = %(epoch_id)s"


def close_silent_epochs(*, now: dt.datetime) -> int:
    """Settle and close the epochs of gateways that are gone; return how many."""
    silent = {"silent_since": now - SILENCE_MAX}
    with cursor() as session:
        session.execute(_LOST, silent)
        lost = [epoch_id for (epoch_id,) in session.fetchall()]
    closed = 0
    for epoch_id in lost:
        try:
            with atomic():
                done = _settle(epoch_id, silent)
        except Exception:
            # Whatever is wrong with this one, the others are not to wait for it.
            log.exception("silent_epoch_not_closed", epoch_id=epoch_id)
            continue
        if done is not None:
            closed += 1
            log.warning(
                "silent_epoch_closed",
                epoch_id=epoch_id,
                requests=done.requests,
                corrections=done.corrections,
            )
    return closed


def _settle(epoch_id: int, silent: dict[str, dt.datetime]) -> Recovered | None:
    """Settle one epoch, unless it has been heard of, or settled, meanwhile."""
    with cursor() as session:
        session.execute(_LOCK, {"epoch_id": epoch_id, **silent})
        row = session.fetchone()
        if row is None:
            return None
        gateway, state = row
        session.execute(_CHECKPOINT, {"epoch_id": epoch_id})
        found = session.fetchone()
        if found is None and state != "open":
            return None
        return settle_dead(
            session.connection,
            DeadEpoch(epoch_id, gateway),
            read_slots(b"" if found is None else bytes(found[0])),
            bills=Bills.WRITTEN,
        )
