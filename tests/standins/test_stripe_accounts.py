"""Several accounts in one stand-in, and the limits that Stripe sets each of them."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.limits import Rates


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running


def _client(standin: StripeStandIn, key: str = "sk_test_any") -> stripe.StripeClient:
    return stripe.StripeClient(
        key, base_addresses={"api": standin.url}, max_network_retries=0
    )


def test_accounts_share_nothing_but_the_clock(standin: StripeStandIn) -> None:
    euro = standin.add_account("Euro", api_key="sk_live_e", reference="acct_euro")
    first, second = _client(standin), _client(standin, "sk_live_e")
    assert second.v1.accounts.retrieve_current().id == "acct_euro"
    key: Any = {"idempotency_key": "c:1"}
    one = first.v1.customers.create({"name": "A"}, key)
    two = second.v1.customers.create({"name": "B"}, key)
    assert (one.livemode, two.livemode) == (False, True)
    assert [row.id for row in second.v1.customers.list().data] == [two.id]
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        first.v1.customers.retrieve(two.id)
    (event,) = second.v1.events.list().data
    assert event.livemode is True
    assert [entry["account"] for entry in standin.journal()][1] == euro.account.id


def test_invoices_of_all_accounts_are_found_by_our_mark(standin: StripeStandIn) -> None:
    standin.add_account("Other", api_key="sk_test_b")
    for key, marks in (("sk_test_any", "12"), ("sk_test_b", "23")):
        client = _client(standin, key)
        customer = client.v1.customers.create({}).id
        for mark in marks:
            asked: Any = {"customer": customer, "metadata": {"ours": mark}}
            client.v1.invoices.create(asked)
    found = standin.invoices_by("ours")
    assert {mark: len(rows) for mark, rows in found.items()} == {"1": 1, "2": 2, "3": 1}


def test_a_strict_standin_knows_its_keys(standin: StripeStandIn) -> None:
    merchants = standin.engine.merchants
    merchants.is_strict = True
    merchants.give_key(merchants.rows[0], "sk_test_mine")
    _client(standin, "sk_test_mine").v1.customers.create({})
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        _client(standin, "sk_test_other").v1.customers.create({})
    with pytest.raises(ValueError, match="mode"):
        merchants.give_key(merchants.rows[0], "sk_live_mine")


def test_too_many_requests_a_second_are_refused_unstored(
    standin: StripeStandIn,
) -> None:
    standin.hold_to_limits(Rates(endpoint=3, account_test=5), virtual=True)
    client = _client(standin)
    for _ in range(3):
        client.v1.customers.create({})
    key: Any = {"idempotency_key": "c:4"}
    with pytest.raises(stripe.RateLimitError) as refused:
        client.v1.customers.create({}, key)
    assert refused.value.headers is not None
    assert refused.value.headers["stripe-rate-limited-reason"] == "endpoint-rate"
    client.v1.invoices.list()
    client.v1.customers.list()
    with pytest.raises(stripe.RateLimitError) as refused:
        client.v1.events.list()
    assert refused.value.headers is not None
    assert refused.value.headers["stripe-rate-limited-reason"] == "global-rate"
    standin.advance(1)
    client.v1.customers.create({}, key)


def test_the_limits_of_one_account_are_not_anothers(standin: StripeStandIn) -> None:
    standin.add_account("Other", api_key="sk_test_b")
    standin.hold_to_limits(Rates(endpoint=1), virtual=True)
    for key in ("sk_test_any", "sk_test_b"):
        client = _client(standin, key)
        client.v1.customers.create({})
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.create({})


def test_one_meter_event_at_a_time_for_a_meter_and_customer(
    standin: StripeStandIn,
) -> None:
    limits = standin.engine.merchants.rows[0].limits
    limits.switch_on()
    refused, inside = threading.Event(), threading.Event()
    path = "/v1/billing/meter_events"
    event = {"event_name": "tokens", "payload": {"stripe_customer_id": "cus_1"}}
    other = {"event_name": "tokens", "payload": {"stripe_customer_id": "cus_2"}}

    def first() -> None:
        with limits.alone(path, event):
            inside.set()
            refused.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with limits.alone(path, other):
        pass
    with pytest.raises(Exception, match="another request"), limits.alone(path, event):
        pass
    refused.set()
    thread.join()
    with limits.alone(path, event):
        pass
