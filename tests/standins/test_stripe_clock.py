"""What the stand-in does later by itself, as its clock moves."""

from collections.abc import Iterator

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.account import Account
from tests.standins.stripe.world import customers
from tests.standins.webhook_receiver import receiving

HOUR_S = 3600


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


def test_a_draft_that_advances_waits_for_who_is_to_hear_of_it(
    standin: StripeStandIn,
) -> None:
    client = stripe.StripeClient("sk_live_a", base_addresses={"api": standin.url})
    account = standin.add_account("Live", api_key="sk_live_a").account
    customer = client.v1.customers.create({}).id
    with receiving() as receiver:
        standin.add_webhook(receiver.url(), events=["invoice.created"], account=account)
        receiver.status = 500
        drafts = [
            client.v1.invoices.create({"customer": customer, "auto_advance": True}).id
            for _ in range(2)
        ]

        def status(draft: str) -> str | None:
            standin.hooks.settle()
            return client.v1.invoices.retrieve(draft).status

        for _ in range(2):
            standin.advance(HOUR_S)
            assert [status(draft) for draft in drafts] == ["draft", "draft"]
        receiver.status = 200
        standin.advance(3 * HOUR_S)
        assert [status(draft) for draft in drafts] == ["draft", "draft"]
        standin.advance(HOUR_S)
        assert [status(draft) for draft in drafts] == ["paid", "paid"]
        receiver.status = 500
        silent = client.v1.invoices.create({"customer": customer, "auto_advance": True})
        standin.hooks.settle()
        standin.advance(71 * HOUR_S)
        assert status(silent.id) == "draft"
        standin.advance(HOUR_S)
        assert status(silent.id) == "paid"
