"""Tax computed without an invoice, and recorded as a sale."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe_world.scene import DAY_S, customer_with

NEW_YORK = {"country": "US", "state": "NY", "postal_code": "10001"}


def _computed(client: stripe.StripeClient, **params: Any) -> Any:
    asked: Any = {
        "currency": "usd",
        "line_items": [{"amount": 2500, "reference": "top-up"}],
        "expand": ["line_items"],
        **params,
    }
    return client.v1.tax.calculations.create(asked)


def test_tax_is_computed_and_recorded_once(client: stripe.StripeClient) -> None:
    customer = customer_with(client, address=NEW_YORK)
    computed = _computed(client, customer=customer.id)
    assert (computed.amount_total, computed.tax_amount_exclusive) == (2722, 222)
    assert [line.amount_tax for line in computed.line_items.data] == [222]
    rates = [row.tax_rate_details for row in computed.tax_breakdown]
    assert [(rate.state, rate.percentage_decimal) for rate in rates] == [
        ("NY", "4"),
        ("NY", "4.875"),
    ]
    sale = client.v1.tax.transactions.create_from_calculation(
        {
            "calculation": computed.id,
            "reference": "top-up 1",
            "expand": ["line_items"],
        }
    )
    assert (sale.reference, sale.type) == ("top-up 1", "transaction")
    with pytest.raises(stripe.InvalidRequestError, match="exists already"):
        client.v1.tax.transactions.create_from_calculation(
            {"calculation": computed.id, "reference": "top-up 1"}
        )
    back = client.v1.tax.transactions.create_reversal(
        {
            "mode": "full",
            "original_transaction": sale.id,
            "reference": "top-up 1 back",
            "expand": ["line_items"],
        }
    )
    assert back.line_items is not None
    assert [line.amount_tax for line in back.line_items.data] == [-222]


def test_a_price_may_hold_its_tax(client: stripe.StripeClient) -> None:
    line = {"amount": 1190, "reference": "a", "tax_behavior": "inclusive"}
    details = {"address": {"country": "DE"}, "address_source": "billing"}
    computed = _computed(client, customer_details=details, line_items=[line])
    assert (computed.amount_total, computed.tax_amount_inclusive) == (1190, 190)


def test_without_a_place_there_is_no_tax(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        _computed(client, customer=customer_with(client).id)
    assert refused.value.code == "customer_tax_location_invalid"


def test_a_calculation_expires(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, address=NEW_YORK)
    computed = _computed(client, customer=customer.id)
    standin.engine.clock.advance(90 * DAY_S)
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        client.v1.tax.transactions.create_from_calculation(
            {"calculation": computed.id, "reference": "late"}
        )
