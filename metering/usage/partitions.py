"""Keep the event table's monthly partitions made ahead.

Failure: an event without a partition lands in the default one, so nothing is lost; but
then its month's partition cannot be made any more until it is moved, which is why this
alarms.
"""

import datetime as dt

import structlog

from kit.orm.atomic import cursor
from metering.usage.zones import month_of

log = structlog.get_logger(__name__)


def make_partitions(*, now: dt.datetime) -> bool:
    """Make this and next month's partition; tell whether the default one is empty."""
    this_month, next_month = month_of(now.astimezone(dt.UTC).date())
    with cursor() as session:
        session.execute("SELECT usage_default_partition_holds_events()")
        astray: bool = session.fetchone()[0]
        if astray:
            log.error("events_in_default_partition")
        for month in (this_month, next_month):
            session.execute("SELECT usage_make_partition(%s)", [month])
    return not astray
