"""Hours by project and key: kept for as long as somebody looks at hours.

By key there are nearly as many rows as events where a tenant has few, so they are no
history: the running day of the month before, and a week by hours, are what people
compare. Older hours are counted from single events, as they were before.

Failure: idempotent, and killed anywhere leaves what was. Owns: how long they are kept.
"""

import datetime as dt
from typing import Final

from kit.orm.atomic import atomic, cursor
from metering.usage.key_hours_sql import KEEP_FROM, PURGE

# The month before is compared up to the same hour of its days, and late events come
# days after their hour.
KEPT_FOR: Final = dt.timedelta(days=40)


def purge_key_hours(*, now: dt.datetime) -> int:
    """Delete the hours by key that are no longer kept; return how many rows.

    Whoever reads meanwhile sees the bound and the rows of one moment.
    """
    with atomic(), cursor() as session:
        session.execute(KEEP_FROM, {"before": now - KEPT_FOR})
        session.execute(PURGE)
        return int(session.rowcount)
