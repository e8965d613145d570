"""Take ended billing days over into the ledger, each time only what is not there yet.

A day is due once it has ended, the longest stream and a lease's life have passed, and
its rollup is proven complete. Its first posting is revision 1; what comes later, as a
correction does, is revision 2, 3 ... with only the difference, which may be negative.
What comes once the month is locked is booked as of now.

Failure: one transaction for so many days, of several tenants; killed in between, those
not yet posted are still listed as changed. Two runs at once begin at different days,
wait for each other per tenant, and find nothing left of what the other has posted.
Owns: day postings.
"""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kit.orm.atomic import atomic, cursor
from metering.ledger.days_sql import ACCOUNTS, POST
from metering.ledger.posting import LedgerInvariantError
from metering.ledger.turns import hold_books, hold_months
from metering.pricing.rating import CHARGED_CLASSES
from metering.usage.epochs import LEASE_LIFE
from metering.usage.selectors import changed_days
from metering.usage.services import TenantDay, roll_up_proven, take_changed_days

LONGEST_STREAM = dt.timedelta(hours=1)
DAY_GRACE = LONGEST_STREAM + LEASE_LIFE
# Of many tenants together; a rollup that has one of them in hand waits as long.
DAYS_PER_TRANSACTION = 1000


@dataclass(frozen=True, slots=True)
class PostedDays:
    """What one run posted, and before which instant usage was proven complete."""

    postings: int
    proven_to: dt.datetime


def post_days(*, now: dt.datetime, tenant_id: int | None = None) -> PostedDays:
    """Roll up and post every due day of all tenants, or of one."""
    proven_to = roll_up_proven(now=now)
    due = changed_days(ended_by=min(proven_to, now - DAY_GRACE), tenant_id=tenant_id)
    days = [(tenant, date) for tenant, dates in due.items() for date in dates]
    parts = [
        days[first : first + DAYS_PER_TRANSACTION]
        for first in range(0, len(days), DAYS_PER_TRANSACTION)
    ]
    posted = sum(_post(part, now) for part in _from_anywhere(parts))
    return PostedDays(posted, proven_to)


def _from_anywhere(parts: list[list[TenantDay]]) -> list[list[TenantDay]]:
    """Begin at a part drawn by lot: several that list the same share the work.

    In one order the others would wait for the first at each part, to find it done.
    """
    first = random.randrange(len(parts)) if parts else 0  # noqa: S311 - no secret
    return parts[first:] + parts[:first]


def _post(days: Sequence[TenantDay], now: dt.datetime) -> int:
    """Post what days grew by, in one transaction."""
    with atomic():
        hold_months()
        hold_books(tenant_ids={tenant_id for tenant_id, _ in days})
        taken = take_changed_days(days)
        if not taken:
            return 0
        asked: dict[str, Any] = {
            "tenants": [tenant_id for tenant_id, _ in taken],
            "dates": [date for _, date in taken],
            "classes": [int(each) for each in CHARGED_CLASSES],
            "names": [each.name.lower() for each in CHARGED_CLASSES],
            "now": now,
        }
        # Read in later statements than the one that took the days: a rollup that had
        # one of them in hand is seen.
        with cursor() as session:
            session.execute(ACCOUNTS, asked)
            session.execute(POST, asked)
            grown, listed, booked = session.fetchone()
        if (listed, booked) != (grown, 2 * grown):
            # Rolls back: a join must neither lose nor double an entry.
            raise LedgerInvariantError(
                f"{grown} postings became {listed} with {booked} entries"
            )
    return int(grown)
