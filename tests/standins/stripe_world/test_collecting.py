"""How an open invoice of the stand-in is paid, retried, voided and given up."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import hosted
from tests.standins.stripe_world.scene import (
    DAY_S,
    customer_with,
    drafted,
    events,
    opened,
)

SENT: dict[str, Any] = {"collection_method": "send_invoice", "days_until_due": 14}


def _payments(client: stripe.StripeClient, invoice: str) -> list[Any]:
    return client.v1.invoice_payments.list({"invoice": invoice}).data


def test_an_invoice_is_paid_by_the_default_card(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_visa")
    invoice = opened(client, customer.id, 700, 300)
    assert (invoice.status, invoice.amount_due) == ("open", 1000)
    paid = client.v1.invoices.pay(invoice.id, {"expand": ["payments"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert paid.payments is not None
    payment = paid.payments.data[0]
    assert (payment.status, payment.amount_paid) == ("paid", 1000)
    intent = client.v1.payment_intents.retrieve(str(payment.payment.payment_intent))
    assert (intent.status, intent.customer) == ("succeeded", customer.id)
    tail = events(standin)[-6:]
    assert tail == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(invoice.id)


def test_without_a_payment_method_nothing_can_be_charged(
    client: stripe.StripeClient,
) -> None:
    invoice = opened(client, customer_with(client).id, 1000)
    with pytest.raises(stripe.InvalidRequestError, match="default_payment_method"):
        client.v1.invoices.pay(invoice.id)


def test_an_invoice_paid_out_of_band_drops_its_intent(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    invoice = opened(client, customer_with(client).id, 1000, **SENT)
    paid = client.v1.invoices.pay(
        invoice.id,
        {"paid_out_of_band": True, "expand": ["amount_paid_off_stripe"]},
    )
    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 1000)
    payment = _payments(client, invoice.id)[0]
    assert payment.status == "canceled"
    intent = client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert intent.status == "canceled"
    assert "invoice_payment.paid" not in events(standin)


def test_a_card_that_is_declined_is_tried_again_by_itself(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_chargeCustomerFail")
    invoice = opened(client, customer.id, 1000, auto_advance=True)
    assert invoice.next_payment_attempt is not None
    standin.engine.clock.advance(3601)
    failed = client.v1.invoices.retrieve(invoice.id)
    assert (failed.status, failed.attempt_count) == ("open", 1)
    assert events(standin, "invoice.payment") == ["invoice.payment_failed"]
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": good.id}}
    )
    standin.engine.clock.advance(3 * DAY_S + 1)
    paid = client.v1.invoices.retrieve(invoice.id)
    assert (paid.status, paid.attempt_count) == ("paid", 2)


def test_after_the_last_try_the_invoice_stays_open(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_chargeCustomerFail")
    invoice = opened(client, customer.id, 1000, auto_advance=True)
    standin.engine.clock.advance(60 * DAY_S)
    left = client.v1.invoices.retrieve(invoice.id)
    assert (left.status, left.attempt_count, left.next_payment_attempt) == (
        "open",
        4,
        None,
    )


def test_a_bank_that_asks_stops_a_payment_off_session(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_authenticationRequired")
    invoice = opened(client, customer.id, 1000)
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id, {"off_session": True})
    assert refused.value.code == "authentication_required"
    assert events(standin)[-2:] == [
        "invoice.payment_action_required",
        "invoice.payment_failed",
    ]
    with pytest.raises(stripe.CardError) as asked:
        client.v1.invoices.pay(invoice.id, {"off_session": False})
    assert asked.value.code == "invoice_payment_intent_requires_action"
    payment = _payments(client, invoice.id)[0]
    intent = payment.payment.payment_intent
    hosted.authenticate(standin.engine.account, intent, passed=True)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_a_person_pays_on_the_hosted_page(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    invoice = opened(client, customer_with(client).id, 1000, **SENT)
    account = standin.engine.account
    intent = hosted.pay_invoice(account, invoice.id, "4242 4242 4242 4242")
    assert intent["status"] == "succeeded"
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    assert client.v1.customers.payment_methods.list(str(invoice.customer)).data == []


def test_a_bank_account_pays_an_invoice_days_later(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_successDelayed_de")
    invoice = opened(client, customer.id, 1000, currency="eur")
    waiting = client.v1.invoices.pay(invoice.id)
    assert (waiting.status, waiting.attempted) == ("open", True)
    with pytest.raises(stripe.InvalidRequestError, match="being processed"):
        client.v1.invoices.pay(invoice.id)
    for end in (
        lambda: client.v1.invoices.void_invoice(invoice.id),
        lambda: client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True}),
        lambda: client.v1.credit_notes.create({"invoice": invoice.id, "amount": 100}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="being processed"):
            end()
    standin.engine.clock.advance(3 * DAY_S + 1)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_what_is_given_up_can_still_be_paid_or_voided(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_visa")
    one, two = opened(client, customer.id, 800), opened(client, customer.id, 900)
    given_up = client.v1.invoices.mark_uncollectible(one.id)
    assert given_up.status == "uncollectible"
    assert given_up.status_transitions.marked_uncollectible_at
    assert client.v1.invoices.pay(one.id).status == "paid"
    client.v1.invoices.mark_uncollectible(two.id)
    assert client.v1.invoices.void_invoice(two.id).status == "void"
    assert events(standin, "invoice.mark", "invoice.void") == [
        "invoice.marked_uncollectible",
        "invoice.marked_uncollectible",
        "invoice.voided",
    ]
    intent = _payments(client, two.id)[0].payment.payment_intent
    assert client.v1.payment_intents.retrieve(intent).status == "canceled"
    for wrong in (
        client.v1.invoices.mark_uncollectible,
        client.v1.invoices.void_invoice,
    ):
        with pytest.raises(stripe.InvalidRequestError):
            wrong(one.id)


def test_a_separate_payment_pays_a_part_and_more_than_the_rest(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    invoice = opened(client, customer.id, 1000, **SENT)
    for amount in (400, 900):
        intent = client.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": "usd",
                "confirm": True,
                "customer": customer.id,
                "payment_method": "pm_card_visa",
                "allowed_payment_method_types": ["card"],
            }
        )
        client.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent.id})
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.invoices.void_invoice(invoice.id)
    paid = client.v1.invoices.retrieve(invoice.id)
    assert (paid.status, paid.amount_paid, paid.amount_overpaid) == ("paid", 1000, 300)
    amounts = {(row.amount_paid, row.status) for row in _payments(client, invoice.id)}
    assert amounts == {(400, "paid"), (600, "paid"), (None, "canceled")}
    assert client.v1.customers.retrieve(customer.id).balance == -300
    assert "invoice.overpaid" in events(standin)


def test_time_finalises_sends_warns_and_says_overdue(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    invoice = drafted(client, customer.id, 1000, auto_advance=True, **SENT)
    standin.engine.clock.advance(3601)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    standin.engine.clock.advance(20 * DAY_S)
    told = events(standin, "invoice.sent", "invoice.will", "invoice.over")
    assert told == ["invoice.sent", "invoice.will_be_due", "invoice.overdue"]


def test_an_invoice_that_no_longer_advances_is_not_charged(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_visa")
    invoice = opened(client, customer.id, 1000, auto_advance=True)
    client.v1.invoices.update(invoice.id, {"auto_advance": False})
    standin.engine.clock.advance(30 * DAY_S)
    left = client.v1.invoices.retrieve(invoice.id)
    assert (left.status, left.attempt_count) == ("open", 0)


def test_what_is_too_little_to_charge_is_carried_and_says_so(
    client: stripe.StripeClient,
) -> None:
    customer = customer_with(client, "pm_card_visa")
    small = opened(client, customer.id, 20)
    assert (small.status, small.ending_balance) == ("paid", 20)
    later = opened(client, customer.id, 100)
    assert (later.starting_balance, later.amount_due) == (20, 120)
    moved = client.v1.customers.balance_transactions.list(customer.id).data
    assert [(row.type, row.amount, row.invoice) for row in moved] == [
        ("applied_to_invoice", -20, later.id),
        ("invoice_too_small", 20, small.id),
    ]
