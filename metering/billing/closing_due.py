"""Close all periods that are due, by any number of workers at once.

Each worker takes the oldest period that no other one has in hand, and closes it in the
transaction that holds it. So two never close the same one and none waits for another;
one that is killed lets go of its period, and has done nothing to it.

Failure: a tenant that cannot be closed yet is passed over until the next scan and holds
up no other one.
"""

import datetime as dt

import structlog

from kit.errors import PlatformError
from kit.orm.atomic import atomic, cursor
from metering.billing.closing import Closed, close_locked
from metering.billing.models import Period
from metering.billing.periods import note_due
from metering.ledger.services import DAY_GRACE, post_days
from metering.usage.services import write_calendar

log = structlog.get_logger(__name__)

# The oldest first, and of a tenant only its oldest: periods are closed in order.
_NEXT = """
    SELECT period.id FROM billing_period period
    WHERE period.state = 'open' AND period.ends_at <= %(ended_by)s
        AND NOT period.tenant_id = ANY(%(waiting)s::bigint[])
        AND NOT EXISTS (
            SELECT FROM billing_period earlier
            WHERE earlier.tenant_id = period.tenant_id AND earlier.state = 'open'
                AND earlier.first_date < period.first_date
        )
    ORDER BY period.first_date, period.tenant_id
    LIMIT 1 FOR UPDATE OF period SKIP LOCKED
"""


def close_due_periods(*, now: dt.datetime) -> list[Closed]:
    """Close every period that is due and that no other worker has in hand."""
    write_calendar(now=now)
    proven_to = post_days(now=now).proven_to
    note_due(now=now)
    closed: list[Closed] = []
    waiting: list[int] = []
    while True:
        period = None
        try:
            with atomic():
                period = _next(now, waiting)
                if period is None:
                    return closed
                done = close_locked(period, proven_to=proven_to, now=now)
        except Exception as error:
            if period is None:
                raise
            _tell_of(error, period.tenant_id)
            waiting.append(period.tenant_id)
        else:
            closed.append(done)


def _next(now: dt.datetime, waiting: list[int]) -> Period | None:
    """Take the next period into this transaction's hands."""
    with cursor() as session:
        session.execute(_NEXT, {"ended_by": now - DAY_GRACE, "waiting": waiting})
        found = session.fetchone()
    if found is None:
        return None
    return Period.objects.select_related("tenant").get(pk=found[0])


def _tell_of(error: Exception, tenant_id: int) -> None:
    if isinstance(error, PlatformError):
        log.warning("period_waits", tenant_id=tenant_id, reason=error.message)
    else:
        # A bug met by one tenant: the others are still closed.
        log.exception("period_not_closed", tenant_id=tenant_id)
