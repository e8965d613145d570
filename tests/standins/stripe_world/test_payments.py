"""Payment intents and test cards of the stand-in, seen through the real SDK."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import hosted
from tests.standins.stripe_world.scene import DAY_S, customer_with, events


def _paid(client: stripe.StripeClient, method: str, **params: Any) -> Any:
    asked: Any = {
        "amount": 1500,
        "currency": "usd",
        "confirm": True,
        "payment_method": method,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        **params,
    }
    return client.v1.payment_intents.create(asked)


def test_a_card_pays_at_once(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    intent = _paid(
        client,
        "pm_card_visa",
        customer=customer.id,
        setup_future_usage="off_session",
        expand=["latest_charge.balance_transaction", "payment_method"],
    )
    assert (intent.status, intent.amount_received) == ("succeeded", 1500)
    charge = intent.latest_charge
    assert (charge.paid, charge.balance_transaction.net) == (True, 1500 - 44 - 30)
    assert intent.payment_method.card.last4 == "4242"
    assert events(standin, "charge", "payment_") == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_method.attached",
        "payment_intent.succeeded",
    ]
    saved = client.v1.customers.payment_methods.list(customer.id).data
    assert [method.id for method in saved] == [intent.payment_method.id]
    again = _paid(client, saved[0].id, customer=customer.id, off_session=True)
    assert again.status == "succeeded"


@pytest.mark.parametrize(
    ("token", "code", "decline"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
        ),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_a_declined_card_leaves_the_intent_to_be_paid(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    token: str,
    code: str,
    decline: str,
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        _paid(client, token)
    error: Any = refused.value.error
    assert (refused.value.http_status, error.code) == (402, code)
    assert error.decline_code == decline
    intent = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code
    assert events(standin)[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    paid = client.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa"}
    )
    assert paid.status == "succeeded"
    assert len(client.v1.charges.list({"payment_intent": intent.id}).data) == 2


def test_a_refusal_is_replayed_under_its_key(client: stripe.StripeClient) -> None:
    asked: Any = {
        "amount": 900,
        "currency": "usd",
        "confirm": True,
        "payment_method": "pm_card_chargeDeclined",
        "allowed_payment_method_types": ["card"],
    }
    for replayed in (None, "true"):
        with pytest.raises(stripe.CardError) as refused:
            client.v1.payment_intents.create(asked, {"idempotency_key": "p:1"})
        assert refused.value.headers is not None
        assert refused.value.headers.get("idempotent-replayed") == replayed
    assert len(client.v1.payment_intents.list().data) == 1


def test_a_bank_that_asks_is_answered_on_the_page(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    account = standin.engine.account
    intent = _paid(
        client, "pm_card_authenticationRequired", return_url="https://x.example"
    )
    assert (intent.status, intent.next_action.type) == (
        "requires_action",
        "redirect_to_url",
    )
    hosted.authenticate(account, intent.id, passed=False)
    failed = client.v1.payment_intents.retrieve(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    asked: Any = {
        "payment_method": "pm_card_authenticationRequired",
        "return_url": "https://x.example",
    }
    client.v1.payment_intents.confirm(intent.id, asked)
    hosted.authenticate(account, intent.id, passed=True)
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_off_session_a_bank_that_asks_means_no(client: stripe.StripeClient) -> None:
    customer = customer_with(client, "pm_card_authenticationRequired")
    method = customer.invoice_settings.default_payment_method  # type: ignore[union-attr]
    with pytest.raises(stripe.CardError) as refused:
        _paid(client, str(method), customer=customer.id, off_session=True)
    assert refused.value.code == "authentication_required"


def test_a_card_that_was_set_up_is_charged_without_asking(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    first = _paid(
        client,
        "pm_card_authenticationRequiredOnSetup",
        customer=customer.id,
        setup_future_usage="off_session",
    )
    hosted.authenticate(standin.engine.account, first.id, passed=True)
    method = client.v1.customers.payment_methods.list(customer.id).data[0]
    later = _paid(client, method.id, customer=customer.id, off_session=True)
    assert later.status == "succeeded"


@pytest.mark.parametrize(
    ("token", "after_s", "status", "kind"),
    [
        ("pm_success_de", 10, "succeeded", "payment_intent.succeeded"),
        ("pm_successDelayed_de", 3 * DAY_S, "succeeded", "payment_intent.succeeded"),
        (
            "pm_failedDelayed_de",
            3 * DAY_S,
            "requires_payment_method",
            "payment_intent.payment_failed",
        ),
    ],
)
def test_a_bank_account_takes_its_time(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    token: str,
    after_s: int,
    status: str,
    kind: str,
) -> None:
    intent = _paid(client, token, currency="eur")
    assert intent.status == "processing"
    standin.engine.clock.advance(after_s + 1)
    assert client.v1.payment_intents.retrieve(intent.id).status == status
    assert events(standin, "payment_intent")[1:] == ["payment_intent.processing", kind]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"amount": 49}, "at least 50"),
        ({"amount": 100_000_000}, "no more than"),
        ({"payment_method": "pm_success_de"}, "not allowed"),
        ({"payment_method": "pm_nowhere"}, "No such payment_method"),
        ({"customer": "cus_nobody"}, "No such customer"),
        ({"confirm": False, "off_session": True}, "only with `confirm`"),
        ({"capture_method": "manual"}, "does not do capture_method"),
        ({"automatic_payment_methods": {"enabled": True}}, "return_url"),
    ],
)
def test_what_stripe_refuses_is_refused(
    client: stripe.StripeClient, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=said):
        _paid(client, "pm_card_visa", **params)


def test_another_customers_card_and_a_detached_one_are_refused(
    client: stripe.StripeClient,
) -> None:
    one, two = customer_with(client, "pm_card_visa"), customer_with(client)
    method = str(one.invoice_settings.default_payment_method)  # type: ignore[union-attr]
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        _paid(client, method, customer=two.id)
    client.v1.payment_methods.detach(method)
    unset = client.v1.customers.retrieve(one.id).invoice_settings
    assert unset is not None
    assert unset.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        _paid(client, method, customer=one.id)


def test_a_cancelled_intent_is_over(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    client.v1.payment_intents.cancel(intent.id)
    assert events(standin)[-1] == "payment_intent.canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.cancel(intent.id)


def test_a_declined_card_cannot_be_stored_and_one_may_fail_only_later(
    client: stripe.StripeClient,
) -> None:
    with pytest.raises(stripe.CardError, match="declined"):
        customer_with(client, "pm_card_chargeDeclined")
    customer = customer_with(client, "pm_card_chargeCustomerFail")
    method = str(customer.invoice_settings.default_payment_method)  # type: ignore[union-attr]
    with pytest.raises(stripe.CardError, match="declined"):
        _paid(client, method, customer=customer.id, off_session=True)
