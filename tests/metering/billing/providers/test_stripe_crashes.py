"""A worker killed between two steps leaves nothing that the next does not settle."""

import signal
from collections.abc import Iterator

import pytest

from kit.orm.roles import as_operator
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.providers.stripe.provider import StripeProvider
from tests.concurrency import wait_until_turns_are_over
from tests.databases import Database
from tests.metering.billing.providers.scene import make_draft
from tests.metering.billing.providers.test_stripe_faults import (
    AMOUNTS,
    WRITES,
    assert_one_and_equal,
    run_until_finished,
)
from tests.metering.billing.providers.worker import Point, Work, started
from tests.standins.stripe import StripeStandIn

PATIENCE_S = 60
CALLS = len(WRITES)
POINTS: list[tuple[Point, int]] = [
    *(("intent", nth) for nth in range(1, CALLS + 1)),
    *(("answer", nth) for nth in range(1, CALLS + 1)),
    ("issued", 1),
]


@pytest.fixture
def invoice(fresh_database: Database) -> Iterator[Invoice]:
    with as_operator():
        yield make_draft(*AMOUNTS, provider="stripe")


@pytest.mark.parametrize(("point", "nth"), POINTS)
def test_a_killed_worker_is_followed_by_one_that_finishes(
    fresh_database: Database,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    invoice: Invoice,
    point: Point,
    nth: int,
) -> None:
    worker = started(Work(fresh_database, standin.url, invoice.pk, point, nth))
    worker.join(PATIENCE_S)
    assert worker.exitcode == -signal.SIGKILL
    wait_until_turns_are_over()
    assert run_until_finished(stripe_provider, invoice) == 1
    assert_one_and_equal(standin, invoice)


def test_a_worker_that_is_not_killed_finishes(
    fresh_database: Database, standin: StripeStandIn, invoice: Invoice
) -> None:
    worker = started(Work(fresh_database, standin.url, invoice.pk))
    worker.join(PATIENCE_S)
    assert worker.exitcode == 0
    invoice.refresh_from_db()
    assert_one_and_equal(standin, invoice)


@pytest.mark.parametrize("kind", ["hold", "commit_then_hold"])
@pytest.mark.parametrize("call", WRITES)
def test_a_call_that_outlives_its_worker_is_waited_for(
    fresh_database: Database,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    invoice: Invoice,
    call: str,
    kind: str,
) -> None:
    held = standin.plan(kind, **WRITES[call])
    worker = started(Work(fresh_database, standin.url, invoice.pk))
    assert held.reached.wait(PATIENCE_S)
    worker.kill()
    worker.join(PATIENCE_S)
    wait_until_turns_are_over()
    [row] = ProviderOperation.objects.filter(state=ProviderOperation.State.INTENT)
    # Stripe is still at it: whatever this run does, it does under the same key.
    stripe_provider.advance(invoice, now=row.created_at)
    held.released.set()
    run_until_finished(stripe_provider, invoice)
    assert_one_and_equal(standin, invoice)
