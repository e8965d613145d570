"""How busy keys and models are right now, told by the part that meters.

Pages ask before something is stopped: what it will hit. This app comes before metering
and imports nothing of it, so metering hands its count over when Django starts. Failure:
without one nothing is known, which is said, rather than shown as no use.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping

# Beyond this the number itself says no more than that it is a lot.
COUNTED_MAX = 10_000

# Counts the requests of a tenant since an instant: of these keys, or of all (None); up
# to one more than `COUNTED_MAX`.
Count = Callable[[int, Collection[int] | None, dt.datetime], int]
# Returns how often each tenant called models, by their prices' names, since an instant.
Calls = Callable[[Collection[str], dt.datetime], Mapping[int, int]]


class Activity:
    """Requests of late."""

    def __init__(self) -> None:
        self._count: Count | None = None
        self._calls: Calls | None = None

    def read_from(self, count: Count, calls: Calls) -> None:
        """Ask here from now on."""
        self._count = count
        self._calls = calls

    def callers_of(self, models: Collection[str], *, since: dt.datetime) -> int | None:
        """Count the tenants that called models since; None when nobody counts."""
        return None if self._calls is None else len(self._calls(models, since))

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
callers_of = _activity.callers_of
