"""Hours by project and key: kept for as long as somebody looks at hours.

By key there are nearly as many rows as events where a tenant has few, so they are no
history: the running day of the month before, and a week by hours, are what people
compare. Older hours are counted from single events, as they were before.

Failure: idempotent. The bound moves first, so that killed anywhere leaves rows that
nobody reads, which the next purge deletes. Owns: how long they are kept.
"""

import datetime as dt
from typing import Final

from kit.orm.atomic import atomic, cursor
from metering.usage.key_hours_sql import KEEP_FROM, PURGE

# The month before is compared up to the same hour of its days, and late events come
# days after their hour.
KEPT_FOR: Final = dt.timedelta(days=40)
# A day of a busy installation has millions of rows: one statement would run out of its
# time, and so would all that come after it.
PURGED_ROWS: Final = 50_000
PURGED_SLICES_MAX: Final = 200


def purge_key_hours(
    *, now: dt.datetime, rows: int = PURGED_ROWS, slices: int = PURGED_SLICES_MAX
) -> int:
    """Delete the hours by key that are no longer kept; return how many rows.

    Slices of so many rows at most, each by itself, and so many slices: the next run
    goes on. Whoever reads meanwhile reads nothing before the bound.
    """
    with atomic(), cursor() as session:
        session.execute(KEEP_FROM, {"before": now - KEPT_FOR})
    purged = 0
    for _ in range(slices):
        with atomic(), cursor() as session:
            session.execute(PURGE, {"rows": rows})
            gone = int(session.rowcount)
        purged += gone
        if gone < rows:
            break
    return purged
