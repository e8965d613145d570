"""The steps from events to payments, done by worker processes as Celery's would.

A worker is forked from a server that has loaded Django once, does one step until
nothing of it is left, and says what it took. Failure: a worker that dies or raises
fails the step. Owns: its workers, which are gone when the step is over.
"""

import datetime as dt
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import django

django.setup()

from kit.orm.roles import as_operator  # noqa: E402
from metering.billing import services as billing  # noqa: E402
from metering.billing.models import Invoice  # noqa: E402
from metering.ledger import services as ledger  # noqa: E402
from metering.receivables.services import record_payment  # noqa: E402
from metering.topups import services as topups  # noqa: E402
from metering.usage import services as usage  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker did of a step, and took for it."""

    count: int
    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Done:
    """One step: what came of it, and how long all its workers together took."""

    name: str
    count: int
    seconds: float
    cpu_s: float
    rss_bytes: int


def do(
    name: str, *, database: Database, now: dt.datetime, workers: int, again: bool = True
) -> Done:
    """Do a step with this many workers; with none, here.

    With `again`, one more worker sees that nothing was left.
    """
    started = time.monotonic()
    if workers:
        shares = _by_workers(name, database, now, workers)
    else:
        with as_operator():
            shares = [_share(name, now)]
    seconds = time.monotonic() - started
    if again:
        with as_operator():
            assert STEPS[name](now) == 0, f"{name} left something undone"
    return Done(
        name,
        sum(share.count for share in shares),
        seconds,
        sum(share.cpu_s for share in shares),
        max(share.rss_bytes for share in shares),
    )


def _by_workers(
    name: str, database: Database, now: dt.datetime, workers: int
) -> list[Share]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    started = []
    for _ in range(workers):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_worker, args=(database, name, now, there))
        process.start()
        there.close()
        started.append((process, here))
    shares: list[Share] = []
    for process, here in started:
        # A worker that dies closes its end: this raises.
        shares.append(here.recv())
        process.join()
    return shares


def _worker(
    database: Database, name: str, now: dt.datetime, tell: "Connection[Share]"
) -> None:
    with pointed_at(database), as_operator():
        tell.send(_share(name, now))


def _share(name: str, now: dt.datetime) -> Share:
    before = time.process_time()
    count = STEPS[name](now)
    spent = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Share(count, spent, peak)


def _roll_up(now: dt.datetime) -> int:
    # An epoch that another worker has in hand is passed over.
    return _until_none(lambda: usage.roll_up().events)


def _post_days(now: dt.datetime) -> int:
    return ledger.post_days(now=now).postings


def _book_burns(now: dt.datetime) -> int:
    return ledger.book_due_burns(now=now)


def _close(now: dt.datetime) -> int:
    return len(billing.close_due_periods(now=now))


def _issue(now: dt.datetime) -> int:
    return billing.advance_invoices(now=now)


def _top_up(now: dt.datetime) -> int:
    return topups.advance(now=now)


def _pay(now: dt.datetime) -> int:
    """Pay every top-up, and what every other tenant owes."""
    owed = Invoice.objects.filter(state=Invoice.State.OPEN).exclude(number=None)
    paid = 0
    for invoice in owed.order_by("pk"):
        if invoice.kind == Invoice.Kind.TOP_UP or invoice.tenant_id % 2:
            record_payment(
                invoice=invoice,
                amount_minor=invoice.amount_minor,
                reference=f"payment of {invoice.number}",
                received_at=now,
                now=now,
            )
            paid += 1
    return paid


def _merge_months(now: dt.datetime) -> int:
    return _until_none(ledger.merge_months)


def _until_none(take: Callable[[], int]) -> int:
    total = 0
    while taken := take():
        total += taken
    return total


# In two stages: what is paid may give credit, which must not come before the bills.
BILLING: dict[str, Callable[[dt.datetime], int]] = {
    "roll up": _roll_up,
    "post days": _post_days,
    "book burns": _book_burns,
    "close": _close,
    "issue": _issue,
}
PAYING: dict[str, Callable[[dt.datetime], int]] = {
    "top up": _top_up,
    "issue top-ups": _issue,
    "pay": _pay,
    "merge months": _merge_months,
}
STEPS = {**BILLING, **PAYING}
STAGES = (tuple(BILLING), tuple(PAYING))
