"""How busy a tenant's keys are right now, told by the part that meters.

Pages ask before something is stopped: what it will hit. This app comes before metering
and imports nothing of it, so metering hands its count over when Django starts. Failure:
without one nothing is known, which is said, rather than shown as no use.
"""

import datetime as dt
from collections.abc import Callable, Collection

# Beyond this the number itself says no more than that it is a lot.
COUNTED_MAX = 10_000

# Counts the requests of a tenant since an instant: of these keys, or of all (None); up
# to one more than `COUNTED_MAX`.
Count = Callable[[int, Collection[int] | None, dt.datetime], int]


class Activity:
    """Requests of late."""

    def __init__(self) -> None:
        self._count: Count | None = None

    def read_from(self, count: Count) -> None:
        """Ask here from now on."""
        self._count = count

    def requests_since(
        self,
        since: dt.datetime,
        *,
        tenant_id: int,
        api_key_ids: Collection[int] | None = None,
    ) -> int | None:
        """Count requests since an instant; None when nobody counts."""
        if self._count is None:
            return None
        return self._count(tenant_id, api_key_ids, since)


def said(requests: int | None) -> str:
    """Return a count as a page says it."""
    if requests is None:
        return "unknown"
    return f"more than {COUNTED_MAX:,}" if requests > COUNTED_MAX else f"{requests:,}"


_activity = Activity()
read_from = _activity.read_from
requests_since = _activity.requests_since
