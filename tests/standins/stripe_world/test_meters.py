"""Meters and their events at the stand-in, seen through the real SDK."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe_world.scene import DAY_S, customer_with, events

HOUR_S = 3600


@pytest.fixture
def meter(client: stripe.StripeClient) -> stripe.billing.Meter:
    return client.v1.billing.meters.create(
        {
            "display_name": "Tokens",
            "event_name": "tokens",
            "default_aggregation": {"formula": "sum"},
        }
    )


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return customer_with(client).id


def _tell(
    client: stripe.StripeClient, customer: str, value: object, **params: Any
) -> stripe.billing.MeterEvent:
    payload = {"stripe_customer_id": customer, "value": str(value)}
    asked: Any = {"event_name": "tokens", "payload": payload, **params}
    return client.v1.billing.meter_events.create(asked)


def _used(
    standin: StripeStandIn, client: stripe.StripeClient, meter: str, customer: str
) -> list[float]:
    hour = standin.engine.account.now() // HOUR_S * HOUR_S
    rows = client.v1.billing.meters.event_summaries.list(
        meter,
        {
            "customer": customer,
            "start_time": hour - 3 * HOUR_S,
            "end_time": hour + HOUR_S,
            "value_grouping_window": "hour",
        },
    )
    return [row.aggregated_value for row in rows.data]


def test_events_add_up_by_customer_and_hour(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    meter: stripe.billing.Meter,
    customer: str,
) -> None:
    now = standin.engine.account.now()
    for value, ago in ((100, 0), (20, 0), (3, HOUR_S)):
        _tell(client, customer, value, timestamp=now - ago)
    _tell(client, customer_with(client).id, 999)
    assert _used(standin, client, meter.id, customer) == [120, 3]
    assert events(standin, "billing.meter") == ["billing.meter.created"]


def test_an_identifier_counts_once_a_day(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    meter: stripe.billing.Meter,
    customer: str,
) -> None:
    _tell(client, customer, 5, identifier="a:1")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        _tell(client, customer, 5, identifier="a:1")
    assert refused.value.http_status == 400
    assert "An event already exists with identifier a:1." in str(refused.value)
    assert _used(standin, client, meter.id, customer) == [5]
    standin.engine.clock.advance(DAY_S + 1)
    _tell(client, customer, 7, identifier="a:1")
    assert _used(standin, client, meter.id, customer) == [7]


@pytest.mark.parametrize(
    ("value", "params", "said"),
    [
        ("1.5", {}, "whole number"),
        ("", {}, "whole number"),
        (1, {"timestamp": 1}, "35 days"),
        (1, {"event_name": "minutes"}, "No active meter"),
        (1, {"payload": {"stripe_customer_id": "cus_no", "value": "1"}}, "No such"),
        (1, {"identifier": "x" * 101}, "too long"),
    ],
)
@pytest.mark.usefixtures("meter")
def test_what_stripe_refuses_is_refused(
    client: stripe.StripeClient,
    customer: str,
    value: object,
    params: dict[str, Any],
    said: str,
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=said):
        _tell(client, customer, value, **params)


def test_an_event_of_the_last_day_can_be_taken_back(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    meter: stripe.billing.Meter,
    customer: str,
) -> None:
    _tell(client, customer, 5, identifier="a:1")
    _tell(client, customer, 6, identifier="a:2")
    taken: Any = {
        "event_name": "tokens",
        "type": "cancel",
        "cancel": {"identifier": "a:1"},
    }
    client.v1.billing.meter_event_adjustments.create(taken)
    assert _used(standin, client, meter.id, customer) == [6]


def test_a_meter_that_is_switched_off_takes_nothing(
    client: stripe.StripeClient, meter: stripe.billing.Meter, customer: str
) -> None:
    client.v1.billing.meters.deactivate(meter.id)
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        _tell(client, customer, 1)
    client.v1.billing.meters.reactivate(meter.id)
    _tell(client, customer, 1)
    listed = client.v1.billing.meters.list({"status": "active"}).data
    assert [row.id for row in listed] == [meter.id]
