"""A day and a month that end under load, by a calendar whose midnight is near.

The database's clock is not moved: the tenant's billing days are written so that the
last day of a month ends in a few seconds.
"""

import asyncio
import datetime as dt
import time
from dataclasses import dataclass

import psycopg

from metering.usage.zones import month_of
from tests.journeys.limits.clients import Call, ask_all
from tests.journeys.limits.cluster import Cluster, Customer

CALLS = 64
AFTERWARDS_S = 2.0
_WINDOWS = """
SELECT place."window", place.starts_at, place.posted, coalesce((
    SELECT sum(CASE place.kind WHEN 'quota'
        THEN event.input_tokens + event.cached_input_tokens + event.output_tokens
        ELSE event.charge_picos END)
    FROM usage_event event
    WHERE event.tenant_id = place.tenant_id
        AND event.admitted_at >= place.starts_at AND event.admitted_at < place.ends_at
), 0)
FROM budgets_window place WHERE place.tenant_id = %s ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Rollover:
    """What came of a midnight: requests, and windows with use before and after."""

    requests: int
    windows: int
    slowest_s: float


def midnight(cluster: Cluster, *, in_s: float) -> Rollover:
    """Ask through the end of a day that ends a month; nobody may be refused."""
    cluster.engine.change(answer_tokens_max=10, inter_token_ms=1)
    customer = cluster.customer()
    _write_days(cluster, customer, in_s=in_s)
    for window in ("day", "month"):
        cluster.limit(customer, 10**15, window=window)
        cluster.quota(customer, 10**9, window=window)
    cluster.await_published(customer)
    made: list[Call] = []
    until = time.monotonic() + in_s + AFTERWARDS_S
    while time.monotonic() < until:
        made += asyncio.run(
            ask_all(cluster, customer, CALLS, at_once=16, max_tokens=100)
        )
    assert all(call.is_served and call.tries == 1 for call in made)
    rows = cluster.rows(_WINDOWS, customer.tenant_id)
    for window, starts_at, posted, counted in rows:
        assert posted == counted, (window, starts_at, posted, counted)
    used = [row for row in rows if row[2]]
    assert len(used) == 8, rows
    cluster.at_rest(customer)
    slowest = max(call.ended_at - call.began_at for call in made)
    return Rollover(len(made), len(used), slowest)


def _write_days(cluster: Cluster, customer: Customer, *, in_s: float) -> None:
    """Let the last day of a month end so soon, whatever guards the calendar."""
    ends_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=in_s)
    first = dt.date(2026, 10, 1)
    last = dt.date(2026, 10, 31)
    days = []
    for number in range(92):
        date = first + dt.timedelta(days=number)
        starts_at = (
            ends_at + (date - last - dt.timedelta(days=0)) - dt.timedelta(days=1)
        )
        day_ends_at = starts_at + dt.timedelta(days=1)
        # The guards are off, so the calendar months are said here.
        days.append((customer.tenant_id, date, starts_at, day_ends_at, *month_of(date)))
    server = cluster.database.server.rpartition("/")[0]
    with psycopg.connect(f"{server}/{cluster.database.name}") as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "DELETE FROM usage_billingday WHERE tenant_id = %s", [customer.tenant_id]
        )
        with superuser.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO usage_billingday"
                " (tenant_id, date, starts_at, ends_at, period_start, period_end, zone)"
                " VALUES (%s, %s, %s, %s, %s, %s, 'UTC')",
                days,
            )
