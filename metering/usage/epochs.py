"""Which gateways are still at work, and up to when usage is therefore complete.

An open epoch's heartbeat says that everything admitted before it is committed, or how
old the oldest request is that is not. A gateway that has been silent for longer than a
lease lives can admit nothing more: the reaper settles what it had, and what it may
still have comes as a late correction. Failure: while PostgreSQL was away nobody could
write a heartbeat, so its time does not count.
"""

import datetime as dt

from kit.orm.atomic import cursor

LEASE_LIFE = dt.timedelta(seconds=120)
SILENCE_MAX = LEASE_LIFE + dt.timedelta(seconds=15)

SILENT = """(
        heartbeat_at < %(silent_since)s
        AND pg_postmaster_start_time() < %(silent_since)s
    )"""

_COMPLETE_TO = f"""
    SELECT least(%(now)s, min(coalesce(open_since, heartbeat_at)))
    FROM usage_epoch
    WHERE state = 'open' AND NOT {SILENT}
"""  # noqa: S608 - put together from the constant above


def database_now() -> dt.datetime:
    """Return PostgreSQL's clock: the one that dates usage."""
    with cursor() as session:
        session.execute("SELECT clock_timestamp()")
        instant: dt.datetime = session.fetchone()[0]
        return instant


def complete_to(*, now: dt.datetime) -> dt.datetime:
    """Return the instant before which every admitted request is committed."""
    with cursor() as session:
        session.execute(_COMPLETE_TO, {"now": now, "silent_since": now - SILENCE_MAX})
        instant: dt.datetime = session.fetchone()[0]
        return instant
