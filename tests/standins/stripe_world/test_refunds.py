"""Refunds and disputes of the stand-in, seen through the real SDK."""

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.world import disputes
from tests.standins.stripe_world.scene import DAY_S, events


def _paid(client: stripe.StripeClient, card: str = "pm_card_visa") -> str:
    intent = client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "usd",
            "confirm": True,
            "payment_method": card,
            "allowed_payment_method_types": ["card"],
        }
    )
    return intent.id


def test_a_payment_is_given_back_in_parts(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    intent = _paid(client)
    first = client.v1.refunds.create({"payment_intent": intent, "amount": 500})
    assert (first.status, first.payment_intent) == ("succeeded", intent)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"payment_intent": intent, "amount": 1501})
    rest = client.v1.refunds.create({"charge": str(first.charge)})
    assert rest.amount == 1500
    charge = client.v1.charges.retrieve(str(first.charge), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 2000)
    assert charge.refunds is not None
    assert [row.id for row in charge.refunds.data] == [rest.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    assert (
        events(standin, "refund", "charge.refunded")
        == [
            "refund.created",
            "charge.refunded",
        ]
        * 2
    )


def test_a_refund_may_arrive_later(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    intent = _paid(client, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent})
    assert refund.status == "pending"
    standin.engine.clock.advance(4 * DAY_S)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert events(standin)[-1] == "refund.updated"


def test_a_refund_may_fail_after_all(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    intent = _paid(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 800})
    assert refund.status == "succeeded"
    standin.engine.clock.advance(4 * DAY_S)
    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == (
        "failed",
        "expired_or_canceled_card",
    )
    assert client.v1.charges.retrieve(str(refund.charge)).amount_refunded == 0
    assert "refund.failed" in events(standin)


def test_a_disputed_payment_is_withdrawn_and_reinstated_when_won(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    intent = _paid(client, "pm_card_createDispute")
    standin.engine.clock.advance(2)
    dispute = client.v1.disputes.list({"payment_intent": intent}).data[0]
    assert (dispute.status, dispute.reason) == ("needs_response", "fraudulent")
    assert [row.amount for row in dispute.balance_transactions] == [-2000]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_disputed"
    client.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    won = client.v1.disputes.retrieve(dispute.id)
    assert won.status == "won"
    assert [row.amount for row in won.balance_transactions] == [-2000, 2000]
    assert events(standin, "charge.dispute") == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]


def test_a_dispute_that_nobody_answers_is_lost(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    intent = client.v1.payment_intents.retrieve(_paid(client))
    account = standin.engine.account
    dispute = disputes.dispute_charge(account, str(intent.latest_charge), "general")
    with pytest.raises(ApiError, match="cannot be disputed"):
        disputes.dispute_charge(account, str(intent.latest_charge), "general")
    standin.engine.clock.advance(10 * DAY_S)
    assert client.v1.disputes.retrieve(dispute["id"]).status == "lost"
    assert events(standin)[-1] == "charge.dispute.closed"
    with pytest.raises(stripe.InvalidRequestError, match="closed"):
        client.v1.disputes.close(dispute["id"])
