"""Killed between any two statements, a completion neither loses nor doubles credit."""

import itertools
import signal

import pytest

from kit.orm.roles import as_operator
from metering.billing.models import Invoice
from metering.collection.models import Purchase
from metering.ledger.models import CreditGrant
from metering.receivables.models import Payment
from metering.topups.models import TopUp
from tests.databases import Database
from tests.metering.collection.buying.dying import Completion, started
from tests.metering.collection.buying.scene import quoted

PATIENCE_S = 60
# A completion writes more often than these, and less than those.
WRITES = range(10, 100)


def run(database: Database, purchase: Purchase, nth: int = 0) -> int | None:
    """Let a worker complete a purchase; return how it ended."""
    worker = started(Completion(database, purchase.pk, nth))
    worker.join(PATIENCE_S)
    return worker.exitcode


@pytest.mark.timeout(600)
def test_a_completion_killed_anywhere_is_all_or_nothing(
    fresh_database: Database,
) -> None:
    with as_operator():
        purchase = quoted()
        for nth in itertools.count(1):
            if run(fresh_database, purchase, nth) == 0:
                break
            purchase.refresh_from_db()
            rows = (Invoice, Payment, CreditGrant)
            assert purchase.state == "quoted"
            assert [model.objects.count() for model in rows] == [0, 0, 0]
            assert TopUp.objects.get(pk=purchase.top_up_id).state == "pending"
        assert nth in WRITES
        assert [model.objects.count() for model in rows] == [1, 1, 1]
        purchase.refresh_from_db()
        assert purchase.state == "paid"
        # No number was lost on the way.
        assert str(Invoice.objects.get().number).endswith("-000001")


def test_a_killed_worker_is_seen_to_be(fresh_database: Database) -> None:
    with as_operator():
        purchase = quoted()
    assert run(fresh_database, purchase, nth=5) == -signal.SIGKILL


def test_two_at_once_complete_it_once(fresh_database: Database) -> None:
    with as_operator():
        purchase = quoted()
        workers = [started(Completion(fresh_database, purchase.pk)) for _ in range(3)]
        for worker in workers:
            worker.join(PATIENCE_S)
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        assert CreditGrant.objects.count() == 1
        assert Payment.objects.count() == 1
