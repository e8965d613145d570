"""Events of the stand-in: what arises, as it looked then, listed as Stripe lists it."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn

DAY_S = 24 * 3600


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running


@pytest.fixture
def client(standin: StripeStandIn) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_any", base_addresses={"api": standin.url}, max_network_retries=0
    )


def _emit(standin: StripeStandIn, kind: str, **fields: Any) -> str:
    event = standin.engine.account.emit(kind, {"object": "thing", **fields})
    return str(event["id"])


def test_an_event_keeps_the_object_as_it_was(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    account = standin.engine.account
    row = {"object": "thing", "id": "th_1", "metadata": {"a": "1"}}
    reference = account.emit("thing.created", row, previous={"name": None})["id"]
    row["metadata"] = {"a": "2"}
    event = client.v1.events.retrieve(reference)
    assert event.data.object["metadata"]["a"] == "1"
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"name": None}
    assert (event.api_version, event.livemode) == (stripe.api_version, False)
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.retrieve("evt_none")


def test_an_event_names_the_request_that_made_it(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    answer = client.v1.customers.create({"name": "A"}, {"idempotency_key": "c:1"})
    assert answer.last_response is not None
    (event,) = client.v1.events.list({"type": "customer.created"}).data
    assert event.data.object["name"] == "A"
    request = event.request
    assert request is not None
    assert request.id == answer.last_response.request_id
    assert request.idempotency_key == "c:1"
    alone = client.v1.events.retrieve(_emit(standin, "thing.aged")).request
    assert alone is not None
    assert (alone.id, alone.idempotency_key) == (None, None)


def test_events_are_listed_newest_first_by_type_time_and_cursor(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    first = [_emit(standin, "invoice.paid"), _emit(standin, "invoice.voided")]
    standin.engine.clock.advance(3600)
    since = standin.engine.account.now()
    second = [_emit(standin, "refund.created") for _ in range(3)]
    every = [*reversed(second), *reversed(first)]

    def ids(**params: Any) -> list[str]:
        return [row.id for row in client.v1.events.list(params).data]  # type: ignore[arg-type]

    assert ids() == every
    assert ids(created={"gte": since}) == every[:3]
    assert ids(created={"lt": since}) == every[3:]
    assert ids(types=["invoice.paid", "invoice.voided"]) == every[3:]
    assert ids(type="refund.*", limit=2) == every[:2]
    assert ids(starting_after=every[1], limit=2) == every[2:4]
    assert ids(ending_before=every[3], limit=2) == every[1:3]
    with pytest.raises(stripe.InvalidRequestError, match="not both"):
        ids(type="refund.*", types=["invoice.paid"])
    standin.engine.clock.advance(30 * DAY_S)
    assert ids() == every[:3]


def test_the_account_behind_the_key_is_told(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    assert client.v1.accounts.retrieve_current().id == standin.engine.account.id
