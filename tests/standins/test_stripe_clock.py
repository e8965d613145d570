"""What the stand-in does later by itself, as its clock moves."""

from collections.abc import Iterator

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.account import Account
from tests.standins.stripe.world import customers


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running


def test_jobs_run_in_order_at_the_time_they_are_for(standin: StripeStandIn) -> None:
    account, seen = standin.engine.account, list[tuple[str, int]]()
    start = account.now()

    def again() -> None:
        seen.append(("again", account.now() - start))
        account.later(account.now() + 50, lambda: note("last"))

    def note(name: str) -> None:
        seen.append((name, account.now() - start))

    account.later(start + 200, again)
    account.later(start + 100, lambda: note("first"))
    standin.engine.clock.advance(90)
    assert seen == []
    standin.engine.clock.advance(3600)
    assert seen == [("first", 100), ("again", 200), ("last", 250)]
    assert account.now() >= start + 3690


def test_a_request_sees_what_was_due_before_it(standin: StripeStandIn) -> None:
    account = standin.engine.account
    account.later(account.now(), lambda: _called_due(account))
    client = stripe.StripeClient("sk_test_any", base_addresses={"api": standin.url})
    assert [row.name for row in client.v1.customers.list().data] == ["Due"]


def _called_due(account: Account) -> None:
    customers.create(account, {"name": "Due"})
