"""Budgets that change while they are spent: lowered, expired, taken back, rolled over.

A watcher asks the database all the time how much is used up or given away. Above the
limit in force that may only fall.
"""

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from django.utils import timezone

from kit.orm.roles import as_operator
from metering.ledger.services import grant_credit, reverse_credit
from tenants.models import Budget, Tenant
from tenants.services import change_limit, set_payment_mode
from tests.journeys.limits.clients import Call, ask_all
from tests.journeys.limits.cluster import Cluster, Customer
from tests.journeys.limits.scenarios import require_honest_bills

STREAMS = 40
ENDS_WITHIN_S = 1.0
_GIVEN = """
SELECT clock_timestamp(), place.posted, coalesce(sum(lease.amount), 0),
       coalesce(sum(lease.used), 0), budgets_limit(place, clock_timestamp(), true)
FROM budgets_window place
LEFT JOIN budgets_lease lease ON lease.window_id = place.id
WHERE place.tenant_id = %s GROUP BY place.id
"""


@dataclass(frozen=True)
class Moment:
    """How one window stood at an instant of the database."""

    at: dt.datetime
    posted: int
    leased: int
    used: int
    limit: int


@dataclass
class Watch:
    """What a watcher saw of a customer's one window."""

    moments: list[Moment] = field(default_factory=list)

    def require_no_grant_above(self) -> None:
        """Show that above the limit in force nothing more was given away."""
        for before, after in zip(self.moments, self.moments[1:], strict=False):
            given, more = before.posted + before.leased, after.posted + after.leased
            assert more <= max(given, after.limit), (before, after)

    def idle_after(self, instant: dt.datetime, seconds: float) -> int:
        """Return what lay idle in leases so long after an instant."""
        later = instant + dt.timedelta(seconds=seconds)
        moment = next(each for each in self.moments if each.at >= later)
        return moment.leased - moment.used


@contextmanager
def watching(cluster: Cluster, customer: Customer) -> Iterator[Watch]:
    """Watch the customer's window from another thread until the block ends."""
    watch, stop = Watch(), threading.Event()

    def look() -> None:
        url = cluster.database.url_for("owner")
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.wait(0.005):
                for at, *figures in connection.execute(_GIVEN, [customer.tenant_id]):
                    watch.moments.append(Moment(at, *map(int, figures)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def lowered(cluster: Cluster) -> float:
    """Lower a budget below what is used; return how long the last stream went on."""
    customer = cluster.customer()
    budget = cluster.limit(customer, 10**15)

    def lower() -> None:
        change_limit(
            limit=Budget.objects.get(pk=budget.pk), amount_picos=1, now=timezone.now()
        )

    return _changed(cluster, customer, lower)


def charged_back(cluster: Cluster) -> float:
    """Take a prepaid tenant's only credit back; return as `lowered` does."""
    customer = cluster.customer()
    with as_operator():
        tenant = set_payment_mode(
            tenant=Tenant.objects.get(pk=customer.tenant_id), payment_mode="prepaid"
        )
        grant = grant_credit(
            tenant=tenant,
            now=timezone.now(),
            source="top_up",
            amount_picos=10**15,
            reference="payment 1",
        )

    def take_back() -> None:
        reverse_credit(
            grant=grant,
            amount_picos=10**15,
            reversal="charge_back",
            now=timezone.now(),
        )

    return _changed(cluster, customer, take_back)


def expired(cluster: Cluster) -> float:
    """Let a prepaid tenant's credit expire by itself; return as `lowered` does."""
    customer = cluster.customer()
    expires_at = timezone.now() + dt.timedelta(seconds=4)
    with as_operator():
        tenant = set_payment_mode(
            tenant=Tenant.objects.get(pk=customer.tenant_id), payment_mode="prepaid"
        )
        grant_credit(
            tenant=tenant,
            now=timezone.now(),
            source="promotional",
            amount_picos=10**15,
            reference="welcome",
            expires_at=expires_at,
        )

    def wait() -> None:
        time.sleep(max(0.0, (expires_at - timezone.now()).total_seconds()))

    return _changed(cluster, customer, wait)


def _changed(cluster: Cluster, customer: Customer, change: Callable[[], None]) -> float:
    """Stream without end, change the limit, and hold what comes of it to the second."""
    cluster.engine.change(answer_tokens_max=4000, inter_token_ms=20)
    cluster.await_published(customer)
    began = cluster.engine.stats()["requests"]

    def stream() -> list[Call]:
        calls = ask_all(
            cluster,
            customer,
            STREAMS,
            at_once=STREAMS,
            streamed=True,
            max_tokens=30_000,
        )
        return asyncio.run(calls)

    with watching(cluster, customer) as watch, ThreadPoolExecutor(1) as pool:
        streaming = pool.submit(stream)
        cluster.engine.await_stats(
            lambda stats: (
                stats["requests"] >= began + STREAMS
                and stats["generation_tokens"] > STREAMS * 20
            )
        )
        with as_operator():
            change()
        changed_at, changed = timezone.now(), time.monotonic()
        made = streaming.result()
        while not watch.moments or watch.moments[-1].at < changed_at + dt.timedelta(
            seconds=1.5
        ):
            time.sleep(0.01)
    books = cluster.at_rest(customer)
    require_honest_bills(made, books, customer)
    assert all(call.is_spent for call in made)
    watch.require_no_grant_above()
    assert watch.idle_after(changed_at, ENDS_WITHIN_S) == 0
    return max(call.ended_at for call in made) - changed
