"""Calls to a provider, paced: so many a second to an account, and to each endpoint.

All processes of the installation take their slots from the same two rows, in one short
statement: each slot lies one interval behind the last, and its taker sleeps until then.
A slot that is taken and not used is lost, which costs an interval and no more.

Failure: without the database nobody calls. A clock that was set back holds calls up for
`AHEAD_S_MAX` at most. Owns: `CallPace`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections
from django.db.backends.utils import CursorWrapper

from kit.orm.roles import OPERATOR

# Nobody waits for a slot longer than this; what is behind it shares it.
AHEAD_S_MAX = 20
_SECOND_US = 1_000_000

# The account's row comes first for everybody, so that no two wait for each other.
_TAKE = """
WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us)
INSERT INTO billing_callpace AS pace (account, endpoint, free_at_us)
SELECT %(account)s, wanted.endpoint, clock.us + wanted.interval_us
FROM clock, unnest(%(endpoints)s::text[], %(intervals_us)s::bigint[])
    WITH ORDINALITY AS wanted (endpoint, interval_us, place)
ORDER BY wanted.place
ON CONFLICT (account, endpoint) DO UPDATE SET free_at_us = least(
    greatest(
        pace.free_at_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    ),
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + %(ahead_us)s
) + excluded.free_at_us - (SELECT us FROM clock)
RETURNING free_at_us - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many calls a second an account takes, and each of its endpoints."""

    account: str
    account_per_s: int
    endpoint_per_s: int

    def wait(self, endpoint: str) -> None:
        """Sleep until the next call to this endpoint may be made."""
        _sleep(
            self._taken(
                endpoint,
                account_us=_SECOND_US // self.account_per_s,
                endpoint_us=_SECOND_US // self.endpoint_per_s,
            )
        )

    def hold_off(self, endpoint: str, *, seconds: float) -> None:
        """Let nobody call this endpoint for a while: it said that it is too much."""
        self._taken(
            endpoint,
            account_us=_SECOND_US // self.account_per_s,
            endpoint_us=int(seconds * _SECOND_US),
        )

    def _taken(self, endpoint: str, *, account_us: int, endpoint_us: int) -> int:
        """Take a slot of both rows and return in how many microseconds it begins."""
        intervals = [account_us, endpoint_us]
        with _cursor() as cursor:
            cursor.execute(
                _TAKE,
                {
                    "account": self.account,
                    "endpoints": ["", endpoint],
                    "intervals_us": intervals,
                    "ahead_us": AHEAD_S_MAX * _SECOND_US,
                },
            )
            ends = [int(ends_us) for (ends_us,) in cursor.fetchall()]
        return max(
            end - interval for end, interval in zip(ends, intervals, strict=True)
        )


def _sleep(microseconds: int) -> None:
    if microseconds > 0:
        time.sleep(microseconds / _SECOND_US)


@contextmanager
def _cursor() -> Iterator[CursorWrapper]:
    """Open a cursor whose statements commit at once: others wait for these rows."""
    shared = connections[OPERATOR]
    if not shared.in_atomic_block:
        with shared.cursor() as cursor:
            yield cursor
        return
    own = connections.create_connection(OPERATOR)
    try:
        with own.cursor() as cursor:
            yield cursor
    finally:
        own.close()
