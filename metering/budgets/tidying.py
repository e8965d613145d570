"""Delete what no grant will ask for again: old windows, and leases left behind.

Whoever closes an epoch gives its leases back by that, so there should be none of a
closed one; a backup that is restored may bring some back. A window that ended long ago
is opened anew should anybody ask, and counts what was used in it.

Failure: none of its own; batches are small, and what is left is for the next time.
Owns: nothing.
"""

import datetime as dt
from dataclasses import dataclass

import structlog

from kit.orm.atomic import atomic, cursor

# A year, and a month for whoever compares.
KEPT = dt.timedelta(days=400)
BATCH_ROWS = 1_000
BATCHES_MAX = 100

log = structlog.get_logger(__name__)

_LEASES = """
DELETE FROM budgets_lease WHERE (window_id, epoch_id) IN (
    SELECT lease.window_id, lease.epoch_id
    FROM budgets_lease lease JOIN usage_epoch epoch ON epoch.id = lease.epoch_id
    WHERE epoch.state = 'closed'
    ORDER BY lease.window_id, lease.epoch_id LIMIT %(rows)s
)
"""
_WINDOWS = """
DELETE FROM budgets_window WHERE id IN (
    SELECT id FROM budgets_window place
    WHERE ends_at < %(before)s
        AND NOT EXISTS (SELECT FROM budgets_lease WHERE window_id = place.id)
    ORDER BY ends_at, id LIMIT %(rows)s
)
"""


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many rows were deleted."""

    leases: int
    windows: int


def tidy(*, now: dt.datetime) -> Tidied:
    """Delete leases of closed epochs and windows that ended long ago."""
    tidied = Tidied(
        leases=_in_batches(_LEASES, now=now), windows=_in_batches(_WINDOWS, now=now)
    )
    if tidied.leases:
        log.warning("leases_left_behind", count=tidied.leases)
    return tidied


def _in_batches(statement: str, *, now: dt.datetime) -> int:
    """Delete, each batch in a transaction of its own; return how many rows."""
    total = 0
    for _ in range(BATCHES_MAX):
        with atomic(), cursor() as session:
            session.execute(statement, {"rows": BATCH_ROWS, "before": now - KEPT})
            count = session.rowcount
        total += count
        if count < BATCH_ROWS:
            break
    return total
