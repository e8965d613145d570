"""Instants from when on something holds: which are taken, and how they are shown."""

import datetime as dt

from kit.errors import Conflict, InvalidRequest

# Who says "from now on" read the clock a moment ago.
TOLERANCE = dt.timedelta(minutes=1)


def require_aware(instant: dt.datetime, *, param: str) -> None:
    """Refuse an instant of no known offset: it is another one somewhere else."""
    if instant.tzinfo is None:
        raise InvalidRequest(
            "Give an instant with its offset, such as 2026-01-31T00:00:00Z.",
            param=param,
        )


def require_ahead(instant: dt.datetime, *, now: dt.datetime, param: str) -> None:
    """Refuse an instant that is over: what was used since then is rated.

    Raises `InvalidRequest` for one without an offset and `Conflict` for a past one.
    """
    require_aware(instant, param=param)
    if instant < now - TOLERANCE:
        raise Conflict(
            f"{shown(instant)} is over: requests since then are rated. Choose now or "
            "later.",
            param=param,
        )


def shown(instant: dt.datetime) -> str:
    """Return an instant as messages name it."""
    return f"{instant.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
