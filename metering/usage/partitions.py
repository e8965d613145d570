"""Keep the event table's monthly partitions made ahead.

Failure: an event without a partition lands in the default one, so nothing is lost; but
then its month's partition cannot be made any more until it is moved, which is why this
alarms. A table that is read for long, as by a proof of the books or a dump, cannot get
one meanwhile: who settles would wait behind whoever waits for that, so the next run
tries again.
"""

import datetime as dt

import structlog
from django.db import OperationalError

from kit.orm.atomic import atomic, cursor
from metering.usage.zones import month_of

_PATIENCE = "SELECT set_config('lock_timeout', '2s', true)"
_LOCK_NOT_AVAILABLE = "55P03"

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
        _make(month)
    return not astray


def _make(month: dt.date) -> None:
    try:
        with atomic(), cursor() as session:
            session.execute(_PATIENCE)
            session.execute("SELECT usage_make_partition(%s)", [month])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        log.warning("partition_not_made_yet", month=f"{month:%Y-%m}")
