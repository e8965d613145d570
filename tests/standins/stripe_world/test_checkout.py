"""Checkout sessions, the portal and setup intents, seen through the real SDK."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.world import checkout, hosted, portal
from tests.standins.stripe_world.scene import DAY_S, customer_with, events

VISA, ASKS = "4242 4242 4242 4242", "4000 0027 6000 3184"
DECLINED, SLOW = "4000 0000 0000 0002", "DE08370400440532013003"


def _sale(client: stripe.StripeClient, currency: str = "usd", **params: Any) -> Any:
    price = {
        "currency": currency,
        "unit_amount": 2500,
        "product_data": {"name": "Credit"},
    }
    asked: Any = {
        "mode": "payment",
        "success_url": "https://shop.example/done",
        "line_items": [{"price_data": price, "quantity": 2}],
        **params,
    }
    return client.v1.checkout.sessions.create(asked)


def test_a_sale_is_paid_on_its_page(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    session = _sale(
        client,
        customer=customer.id,
        client_reference_id="ours",
        metadata={"top_up": "7"},
        payment_intent_data={
            "setup_future_usage": "off_session",
            "metadata": {"top_up": "7"},
        },
        expand=["line_items"],
    )
    assert session.url.startswith(standin.url)
    assert (session.amount_total, session.payment_intent) == (5000, None)
    assert session.line_items.data[0].description == "Credit"
    checkout.complete(standin.engine.account, session.id, VISA)
    paid = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent"]}
    )
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    intent: Any = paid.payment_intent
    assert (intent.amount_received, intent.metadata["top_up"]) == (5000, "7")
    saved = client.v1.customers.payment_methods.list(customer.id).data
    assert [method.id for method in saved] == [intent.payment_method]
    assert events(standin)[-2:] == [
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    with pytest.raises(ApiError, match="complete"):
        checkout.complete(standin.engine.account, session.id, VISA)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)
    with pytest.raises(stripe.InvalidRequestError, match="Checkout"):
        client.v1.payment_intents.cancel(intent.id)


def test_a_declined_card_leaves_the_session_open(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    session = _sale(client)
    account = standin.engine.account
    with pytest.raises(ApiError, match="declined"):
        checkout.complete(account, session.id, DECLINED)
    left = client.v1.checkout.sessions.retrieve(session.id)
    assert (left.status, left.payment_status) == ("open", "unpaid")
    checkout.complete(account, session.id, ASKS)
    asked = client.v1.checkout.sessions.retrieve(session.id)
    assert (asked.status, asked.payment_intent) == ("open", left.payment_intent)
    hosted.authenticate(account, str(left.payment_intent), passed=True)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


@pytest.mark.parametrize(
    ("iban", "told"),
    [
        (SLOW, "checkout.session.async_payment_succeeded"),
        ("DE78370400440532013004", "checkout.session.async_payment_failed"),
    ],
)
def test_a_slow_payment_says_later_whether_it_came(
    standin: StripeStandIn, client: stripe.StripeClient, iban: str, told: str
) -> None:
    session = _sale(client, "eur")
    checkout.complete(standin.engine.account, session.id, iban)
    waiting = client.v1.checkout.sessions.retrieve(session.id)
    assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
    standin.engine.clock.advance(3 * DAY_S + 1)
    assert events(standin, "checkout") == ["checkout.session.completed", told]
    paid = client.v1.checkout.sessions.retrieve(session.id).payment_status
    assert paid == ("paid" if iban == SLOW else "unpaid")


def test_a_session_expires_by_the_clock_or_when_told(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    soon = standin.engine.account.now() + 1800
    by_clock, by_hand = _sale(client, expires_at=soon), _sale(client)
    with pytest.raises(ApiError):
        checkout.complete(standin.engine.account, by_clock.id, DECLINED)
    assert client.v1.checkout.sessions.expire(by_hand.id).status == "expired"
    standin.engine.clock.advance(1801)
    over = client.v1.checkout.sessions.retrieve(by_clock.id)
    assert (over.status, over.url) == ("expired", None)
    intent = client.v1.payment_intents.retrieve(str(over.payment_intent))
    assert intent.status == "canceled"
    assert events(standin, "checkout") == ["checkout.session.expired"] * 2
    with pytest.raises(ApiError, match="expired"):
        checkout.complete(standin.engine.account, by_clock.id, VISA)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"mode": "subscription"}, "payment` and `setup"),
        ({"success_url": ""}, "success_url"),
        ({"line_items": []}, "line_items"),
        ({"expires_at": 1}, "expires_at"),
        ({"customer": "cus_no"}, "No such customer"),
        ({"setup_intent_data": {"description": "x"}}, "setup_intent_data"),
        ({"invoice_creation": {"enabled": True}}, "does not do invoice_creation"),
        ({"payment_method_types": ["card"]}, "unknown parameter"),
    ],
)
def test_what_stripe_refuses_is_refused(
    client: stripe.StripeClient, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=said):
        _sale(client, **params)


def test_a_session_may_only_store_a_card(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer": customer.id,
            "success_url": "https://shop.example/done",
        }
    )
    checkout.complete(standin.engine.account, session.id, VISA)
    done = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["setup_intent"]}
    )
    assert (done.status, done.payment_status) == ("complete", "no_payment_required")
    intent: Any = done.setup_intent
    saved = client.v1.customers.payment_methods.list(customer.id).data
    assert (intent.status, intent.payment_method) == ("succeeded", saved[0].id)


def test_the_portal_keeps_a_customers_cards(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    account, customer = standin.engine.account, customer_with(client)
    session = client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": "https://shop.example"}
    )
    assert session.url.startswith(standin.url)
    portal.add_card(account, session.id, VISA)
    asked = portal.add_card(account, session.id, ASKS)
    assert asked["status"] == "requires_action"
    hosted.authenticate(account, asked["id"], passed=True)
    with pytest.raises(ApiError, match="declined"):
        portal.add_card(account, session.id, DECLINED)
    saved = client.v1.customers.payment_methods.list(customer.id).data
    assert [method.card.last4 for method in saved if method.card] == ["3184", "4242"]
    settings = client.v1.customers.retrieve(customer.id).invoice_settings
    assert settings is not None
    assert settings.default_payment_method == saved[0].id
    portal.choose(account, session.id, saved[1].id)
    portal.remove_card(account, session.id, saved[0].id)
    left = client.v1.customers.payment_methods.list(customer.id).data
    assert [method.id for method in left] == [saved[1].id]
    made = client.v1.billing_portal.configurations.list({"is_default": True}).data
    assert [row.id for row in made] == [session.configuration]


def test_a_setup_intent_makes_a_card_chargeable_unasked(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    intent = client.v1.setup_intents.create(
        {
            "customer": customer.id,
            "confirm": True,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "return_url": "https://shop.example",
        }
    )
    assert intent.status == "requires_action"
    hosted.authenticate(standin.engine.account, intent.id, passed=True)
    method = client.v1.setup_intents.retrieve(intent.id).payment_method
    paid = client.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "usd",
            "confirm": True,
            "customer": customer.id,
            "off_session": True,
            "payment_method": str(method),
            "allowed_payment_method_types": ["card"],
        }
    )
    assert paid.status == "succeeded"
    with pytest.raises(stripe.CardError, match="declined"):
        client.v1.setup_intents.create(
            {"confirm": True, "payment_method": "pm_card_chargeDeclined"}
        )
    assert events(standin, "setup_intent")[-1] == "setup_intent.setup_failed"
    waiting = client.v1.setup_intents.create({})
    assert client.v1.setup_intents.cancel(waiting.id).status == "canceled"
