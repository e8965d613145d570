"""Celery tasks delivered three times each, by three beats, to workers that are killed.

Tenants with a month of usage appear all the time, so that there is always something to
roll up, to post, to close and to invoice. In the end every effect is there, and once:
an invoice for each, numbers without a gap, and the product's own proofs.
"""

import asyncio
import contextlib
import datetime as dt
import sys
import time
from collections.abc import AsyncIterator

from celery import Celery
from django.conf import settings

from config.local.children import LOOPBACK
from kit.orm.roles import as_operator
from metering.usage.models import Epoch
from metering.usage.services import make_partitions
from metering.usage.zones import month_of
from tests.chaos.cluster import Cluster
from tests.chaos.processes import PATHS, Running
from tests.chaos.stage import Case, Setting, Stage
from tests.chaos.world import in_django
from tests.factories.billing import make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use

WORKERS, BEATS, DELIVERIES = 2, 3, 3
USES = 5
# Past its start, so that most kills meet it at work.
LIVES_S = (1.5, 5.0)
# What takes an event to its invoice; the beats send the rest.
CHAIN = (
    "usage.write_calendar",
    "usage.roll_up",
    "usage.close_silent_epochs",
    "ledger.post_days",
    "ledger.settle_credit",
    "billing.close_due_periods",
    "topups.advance",
    "billing.advance_invoices",
    "documents.make",
    "receivables.dun",
    "receivables.send_mails",
    "budgets.tidy",
    "alerts.scan",
)
DONE_SECONDS_MAX = 180.0
PAUSE_S = 1.0
# Two months back, so that the month is over whatever the day is.
LONG_AGO = dt.timedelta(days=62)
_CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "config.celery")
_WORKER = (
    *(*_CELERY, "worker", "--pool=threads", "--concurrency=2"),
    *("--without-gossip", "--without-mingle", "--loglevel=WARNING"),
)

_INVOICES = """
SELECT count(*), count(DISTINCT tenant_id), count(DISTINCT number),
    count(*) FILTER (WHERE number IS NULL)
FROM billing_invoice WHERE tenant_id = ANY(%s)
"""


async def delivered_thrice(stage: Stage) -> None:
    """Kill workers while everything is delivered three times; then count effects."""
    cluster = stage.cluster
    broker = f"redis://{LOOPBACK}:{cluster.gateways[0].valkey.port}/0"
    sender = Celery(broker=broker)
    tenants: list[int] = []
    async with stage.load(), _workers(cluster, broker) as workers:
        for round_ in range(stage.times):
            victim = workers[round_ % len(workers)]
            tenants.append(await asyncio.to_thread(in_django, _make_history))
            await asyncio.to_thread(_deliver, sender)
            await asyncio.sleep(cluster.dice.uniform(*LIVES_S))
            victim.kill()
            victim.start()
        killed_at = time.monotonic()
        # What comes now finds the workers alive, and mostly nothing to do.
        for _ in range(2):
            await asyncio.to_thread(_deliver, sender)
        while await _invoices(cluster, tenants) != _all_of(tenants):
            if time.monotonic() > killed_at + DONE_SECONDS_MAX:
                break
            await asyncio.sleep(PAUSE_S)
        stage.recoveries.append(time.monotonic() - killed_at)
        # Whoever is still at it has nothing left to do.
        await asyncio.to_thread(_deliver, sender)
        await asyncio.sleep(PAUSE_S)
    sender.close()
    found = await _invoices(cluster, tenants)
    stage.notes.append(f"{found[0]} invoices for {len(tenants)} tenants")
    if found != _all_of(tenants):
        stage.faults.append(
            f"of {len(tenants)} tenants: invoices, tenants with one, numbers,"
            f" without a number: {found}"
        )


def _all_of(tenants: list[int]) -> tuple[int, int, int, int]:
    number = len(tenants)
    return number, number, number, 0


async def _invoices(cluster: Cluster, tenants: list[int]) -> tuple[int, ...]:
    [row] = await cluster.rows(_INVOICES, tenants)
    return tuple(map(int, row))


def _deliver(sender: Celery) -> None:
    for name in CHAIN:
        for _ in range(DELIVERIES):
            sender.send_task(name)


def _make_history() -> int:
    """Commit a few events of a new tenant whose month is over; return its id."""
    with as_operator():
        first, _ = month_of((dt.datetime.now(dt.UTC) - LONG_AGO).date())
        at = dt.datetime.combine(first, dt.time(12), tzinfo=dt.UTC)
        make_partitions(now=at)
        tenant = make_tenant_of(first)
        use = make_use(price=make_price(), admitted_at=at, tenant=tenant)
        epoch = make_epoch(started_at=at, state=Epoch.State.CLOSED)
        commit(epoch, *[use] * USES)
        Epoch.objects.filter(pk=epoch.pk).update(admitted=USES, settled=USES)
        return int(tenant.pk)


@contextlib.asynccontextmanager
async def _workers(cluster: Cluster, broker: str) -> AsyncIterator[list[Running]]:
    """Run workers and beats until the block ends."""
    folder = cluster.valkey.folder
    env = {
        **PATHS,
        "DATABASE_URL": cluster.database.url_for("owner"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "EMAIL_FOLDER": str(folder / "mail"),
        "KEY_PEPPER": settings.KEY_PEPPER.decode(),
        "LOG_LEVEL": "WARNING",
        "REDIS_URL": broker,
    }
    workers = [
        Running(f"worker-{number + 1}", _WORKER, folder, env)
        for number in range(WORKERS)
    ]
    beats = []
    for number in range(BEATS):
        schedule = ("--schedule", str(folder / f"beat-{number + 1}"))
        command = (*_CELERY, "beat", "--loglevel=WARNING", *schedule)
        beats.append(Running(f"beat-{number + 1}", command, folder, env))
    try:
        for each in (*workers, *beats):
            each.start()
        yield workers
    finally:
        for each in (*workers, *beats):
            each.kill()


THRICE = Case("tasks thrice, workers killed", delivered_thrice, 200, Setting(clients=6))
