"""Follow a tenant's requests as they end, at a load that watchers do not raise.

All watchers of a tenant are answered from one list: its newest requests, which a web
process reads anew at most every two seconds, by one question along the events' key.
Whoever asks while that runs gets the list of before. What each wants to see of it is
narrowed here, without the database. The more watch, the later each asks again: together
they ask a process at most so often a second, however many they are. A watch ends by
itself; a tab that is forgotten costs nothing then.

Failure: what the question raises is raised to the one who asked it; the others keep the
list that there is. Owns: the lists, in this process's memory.
"""

import datetime as dt
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from metering.usage.request_log import LoggedRequest, RequestQuery, requests

EVERY_S = 2
NEWEST = 200

POLLS_PER_S_MAX = 5
LASTS = dt.timedelta(minutes=15)
# How late a watcher may be that still watches, and how many are told apart.
_LATE_S = 5
_WATCHERS_MAX = 10_000
_TENANTS_MAX = 1_000


@dataclass(slots=True)
class Watch:
    """What is known of one tenant's watchers, and the list they share."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: tuple[LoggedRequest, ...] | None = None
    read_s: float = 0.0
    # When each asked last, the one who has not for longest first.
    _seen_s: "OrderedDict[str, float]" = field(default_factory=OrderedDict)

    def pace(self, now_s: float, who: str) -> int:
        """Note who asks, and return after how many seconds to ask the next time."""
        self._seen_s[who] = now_s
        self._seen_s.move_to_end(who)
        while len(self._seen_s) > _WATCHERS_MAX or self._is_gone(now_s):
            self._seen_s.popitem(last=False)
        return self._every_s

    @property
    def _every_s(self) -> int:
        return max(EVERY_S, -(-len(self._seen_s) // POLLS_PER_S_MAX))

    def _is_gone(self, now_s: float) -> bool:
        first_s = next(iter(self._seen_s.values()))
        return now_s - first_s > 2 * self._every_s + _LATE_S


@dataclass(slots=True)
class Watches:
    """The watches of a process, by tenant; those not looked at for longest go."""

    clock: Callable[[], float] = time.monotonic
    _by_tenant: "OrderedDict[int, Watch]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def newest(
        self, tenant_id: int, *, who: str
    ) -> tuple[tuple[LoggedRequest, ...], int]:
        """Return the tenant's newest requests, and in how many seconds to ask again.

        `who` tells one watcher from another, whatever it is made of.
        """
        now_s = self.clock()
        with self._lock:
            watch = self._by_tenant.setdefault(tenant_id, Watch())
            self._by_tenant.move_to_end(tenant_id)
            while len(self._by_tenant) > _TENANTS_MAX:
                self._by_tenant.popitem(last=False)
            every_s = watch.pace(now_s, who)
        if watch.rows is not None and now_s - watch.read_s < EVERY_S:
            return watch.rows, every_s
        # The first list has to be waited for; later ones are read by one of them all.
        if watch.lock.acquire(blocking=watch.rows is None):
            try:
                if watch.rows is None or self.clock() - watch.read_s >= EVERY_S:
                    watch.read_s = self.clock()
                    watch.rows = requests(
                        RequestQuery(tenant_id=tenant_id), size=NEWEST
                    ).rows
            finally:
                watch.lock.release()
        return watch.rows or (), every_s

    def clear(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._by_tenant.clear()


WATCHES = Watches()


def fits(row: LoggedRequest, query: RequestQuery) -> bool:
    """Tell whether a request is one that a query asks for, as the log's SQL says it."""
    wanted = (
        (query.project_id, row.project_id),
        (query.api_key_id, row.api_key_id),
        (query.model, row.model),
        (query.status, row.status),
        (query.request_id, row.request_id),
    )
    least = (
        (query.charge_picos_min, row.net_charge_picos),
        (query.duration_us_min, row.duration_us),
    )
    return (
        all(asked is None or asked == found for asked, found in wanted)
        and all(asked is None or found >= asked for asked, found in least)
        and (query.reach is None or row.project_id in query.reach)
        and _is_between(row.admitted_at, query)
    )


def _is_between(at: dt.datetime, query: RequestQuery) -> bool:
    start, end = query.start, query.end
    is_late = not isinstance(start, dt.datetime) or at >= start
    return is_late and (not isinstance(end, dt.datetime) or at < end)
