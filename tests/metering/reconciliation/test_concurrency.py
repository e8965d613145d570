"""Work in progress is no difference: everything is seen as of one instant."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.ledger.services import post_days
from metering.reconciliation import chain, services
from metering.reconciliation.models import Run
from metering.usage.selectors import database_now
from metering.usage.services import roll_up
from tests.databases import Database
from tests.factories.pricing import make_price
from tests.factories.reconciliation import DAY, FIRST_DATE, NOW, settle_counts
from tests.factories.usage import commit, make_epoch, make_use

ROUNDS = 15


def elsewhere(work: Callable[[], object]) -> None:
    """Do something on another connection, and wait until it is done."""

    def run() -> None:
        try:
            with as_operator():
                work()
        finally:
            connections.close_all()

    worker = threading.Thread(target=run)
    worker.start()
    worker.join()


def test_what_is_rolled_up_meanwhile_is_not_seen(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = chain._read
    rolled: list[int] = []

    def interrupted(*asked: Any) -> Any:
        answer = read(*asked)
        elsewhere(lambda: rolled.append(roll_up().events))
        return answer

    monkeypatch.setattr(chain, "_read", interrupted)
    with as_operator():
        run = services.reconcile(now=database_now(), first_date=FIRST_DATE)

    assert rolled == [2, 0, 0]
    assert run.state == Run.State.AGREES
    waits = {step["name"]: step["waits"] for step in run.steps}
    assert waits == {
        "metered": 0,
        "rated": 0,
        "rolled up": 1,
        "posted": 1,
        "invoiced": 3,
    }


def test_books_in_use_agree_at_any_instant(books: Database) -> None:
    with as_operator():
        price = make_price()
        use = make_use(price=price, admitted_at=NOW - DAY)
        epoch = make_epoch(started_at=NOW - DAY, heartbeat_at=database_now())
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            with atomic():
                commit(epoch, use, use, use)
                settle_counts()
            roll_up(batch_events=2)
            post_days(now=NOW + 2 * DAY)

    worker = threading.Thread(target=elsewhere, args=(work,))
    worker.start()
    try:
        with as_operator():
            for _ in range(ROUNDS):
                for run in (
                    services.reconcile(now=database_now(), first_date=FIRST_DATE),
                    services.verify_ledger(now=database_now()),
                ):
                    found = {
                        each.check_name: each.subject for each in run.differences.all()
                    }
                    assert found == {}
    finally:
        done.set()
        worker.join()
