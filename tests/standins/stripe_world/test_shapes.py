"""Every object that the stand-in shows has Stripe's shape.

The pinned SDK says what may be there, of which type and what may be null; Stripe's own
fixtures, where they are at hand, which keys are always there.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.shapes import shown
from tests.standins.stripe.world import checkout, disputes, hosted
from tests.standins.stripe_world.scene import DAY_S, customer_with, drafted, opened
from tests.standins.stripe_world.shape import misfits

FIXTURES = Path(os.environ.get("STRIPE_FIXTURES", "/nowhere/fixtures3.json"))
# What a card has and a bank account has not: shown only where it is true.
ONLY_OF_SOME = {"card", "sepa_debit"}
SALE: Any = {
    "mode": "payment",
    "success_url": "https://shop.example/done",
    "line_items": [
        {
            "price_data": {
                "currency": "usd",
                "unit_amount": 2500,
                "product_data": {"name": "Credit"},
            },
            "quantity": 1,
        }
    ],
}
SETUP: Any = {
    "mode": "setup",
    "currency": "usd",
    "success_url": "https://shop.example/done",
}


def _lives(standin: StripeStandIn, client: stripe.StripeClient) -> None:
    """Let one of everything happen."""
    account = standin.engine.account
    address: Any = {"address": {"country": "DE", "postal_code": "10115"}}
    customer = customer_with(client, "pm_card_visa", email="a@x.example", **address)
    client.v1.customers.tax_ids.create(
        customer.id, {"type": "eu_vat", "value": "DE123456789"}
    )
    client.v1.customers.update(customer.id, {"balance": 25})
    _pay_and_fail(standin, client, customer)
    taxed = customer_with(client, "pm_card_visa", **address)
    drafted(client, taxed.id, 1000, automatic_tax={"enabled": True})
    _compute_and_count(client, taxed.id)
    client.v1.setup_intents.create(
        {"customer": customer.id, "payment_method": "pm_success_de", "confirm": True}
    )
    for terms in (SALE, SETUP):
        asked: Any = {**terms, "customer": customer.id}
        session = client.v1.checkout.sessions.create(asked)
        checkout.complete(account, session.id, "4242424242424242")
    client.v1.checkout.sessions.create(SALE)
    client.v1.billing_portal.sessions.create({"customer": customer.id})
    standin.engine.clock.advance(10 * DAY_S)


def _pay_and_fail(
    standin: StripeStandIn, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    account = standin.engine.account
    paid = client.v1.invoices.pay(opened(client, customer.id, 1000, 2000).id)
    client.v1.credit_notes.create(
        {"invoice": paid.id, "amount": 90, "refund_amount": 40, "credit_amount": 50}
    )
    drafted(client, customer.id, 70)
    sent = opened(
        client, customer.id, 300, collection_method="send_invoice", days_until_due=3
    )
    client.v1.invoices.void_invoice(sent.id)
    intent = hosted.pay_invoice(
        account, opened(client, customer.id, 900).id, "4000000000000259"
    )
    standin.engine.clock.advance(2)
    disputes.decide(account, next(iter(account.rows["dispute"])), "won")
    open_one = opened(client, customer.id, 900)
    with pytest.raises(Exception, match="declined"):
        hosted.pay_invoice(account, open_one.id, "4000000000000002")
    hosted.pay_invoice(account, open_one.id, "4000000000005126")
    charges = client.v1.charges.list({"limit": 1}).data
    client.v1.refunds.create({"charge": charges[0].id, "amount": 100})
    assert intent["status"] == "succeeded"


def _compute_and_count(client: stripe.StripeClient, customer: str) -> None:
    computed = client.v1.tax.calculations.create(
        {
            "currency": "eur",
            "customer": customer,
            "line_items": [{"amount": 900, "reference": "a"}],
        }
    )
    client.v1.tax.transactions.create_from_calculation(
        {"calculation": str(computed.id), "reference": "a"}
    )
    client.v1.billing.meters.create(
        {
            "display_name": "Tokens",
            "event_name": "tokens",
            "default_aggregation": {"formula": "sum"},
        }
    )


def _rows(standin: StripeStandIn) -> list[dict[str, Any]]:
    account = standin.engine.account
    rows = [row for kind in account.rows.values() for row in kind.values()]
    return [*(shown(account, row) for row in rows), *account.pending_items.values()]


def test_objects_are_what_the_sdk_declares(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    _lives(standin, client)
    lines = [line for rows in standin.engine.account.lines.values() for line in rows]
    wrong = {miss for row in [*_rows(standin), *lines] for miss in misfits(row)}
    assert sorted(wrong) == []


@pytest.mark.skipif(not FIXTURES.is_file(), reason="Stripe's fixtures are not at hand")
def test_objects_show_each_key_of_stripes_fixtures(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    fixtures = json.loads(FIXTURES.read_text())["resources"]
    _lives(standin, client)
    missing = {
        f"{row['object']}.{name}"
        for row in _rows(standin)
        for name in fixtures[row["object"]].keys() - row.keys() - ONLY_OF_SOME
    }
    assert sorted(missing) == []
