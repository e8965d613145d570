"""What a bank takes back is open again, held while it is disputed, and may return."""

import pytest

from kit.money import picos_from_minor
from metering.billing.models import Invoice
from metering.collection.models import Dispute
from metering.receivables.holding import hold_invoice, open_hold, release_invoice
from metering.receivables.models import Hold, Payment, Refund
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.following.scene import Scene, balances

State = Invoice.State


def disputed(scene: Scene) -> tuple[Invoice, str]:
    invoice = scene.issue(1000)
    dispute = scene.dispute(scene.pay(invoice))
    return invoice, dispute


def test_a_disputed_invoice_is_open_again_and_held(scene: Scene) -> None:
    invoice, dispute = disputed(scene)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 0)
    refund = Refund.objects.get()
    assert (refund.outlet, refund.amount_minor) == ("charge_back", 1000)
    hold = open_hold(invoice)
    assert hold is not None
    assert (hold.kind, hold.reason) == ("dispute", f"stripe {dispute}: fraudulent")
    row = Dispute.objects.get()
    assert (row.reference, row.status, row.amount_minor) == (
        dispute,
        "needs_response",
        1000,
    )
    assert row.evidence_due_at is not None
    assert "cash" not in balances(invoice.tenant)


def test_a_dispute_that_is_won_brings_the_money_again(scene: Scene) -> None:
    invoice, dispute = disputed(scene)
    scene.settle()
    scene.decide(dispute, "won")
    scene.settle()
    scene.tell([{**each, "id": each["id"] + "b"} for each in scene.events("charge.d")])
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)
    assert open_hold(invoice) is None
    assert (Payment.objects.count(), Refund.objects.count()) == (2, 1)
    assert balances(invoice.tenant)["cash"] == picos_from_minor(1000, "USD")


def test_a_dispute_that_is_lost_leaves_it_open_and_held_no_more(scene: Scene) -> None:
    invoice, dispute = disputed(scene)
    scene.settle()
    scene.decide(dispute, "lost")
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 0)
    assert open_hold(invoice) is None
    assert Dispute.objects.get().status == "lost"


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_the_end_alone_says_all(scene: Scene, outcome: str) -> None:
    """Not even the payment was told of."""
    invoice, dispute = disputed(scene)
    scene.decide(dispute, outcome)
    scene.tell(scene.events("charge.dispute.closed"))
    invoice.refresh_from_db()
    paid = 1000 if outcome == "won" else 0
    assert invoice.paid_minor == paid
    assert open_hold(invoice) is None
    scene.tell(reversed(scene.events()))
    invoice.refresh_from_db()
    assert invoice.paid_minor == paid
    assert open_hold(invoice) is None


def test_what_people_hold_stays_held(scene: Scene) -> None:
    invoice, dispute = disputed(scene)
    scene.settle()
    release_invoice(invoice=invoice, now=NOW)
    hold_invoice(
        invoice=invoice, kind=Hold.Kind.PAUSE, reason="We are talking.", now=NOW
    )
    scene.decide(dispute, "lost")
    scene.settle()
    hold = open_hold(invoice)
    assert hold is not None
    assert hold.reason == "We are talking."


def test_a_payment_that_was_won_back_can_be_refunded(scene: Scene) -> None:
    invoice = scene.issue(1000)
    intent = scene.pay(invoice)
    dispute = scene.dispute(intent)
    scene.decide(dispute, "won")
    scene.settle()
    charge = scene.stripe.v1.payment_intents.retrieve(intent).latest_charge
    with scene.standin.engine.opened(scene.account):
        scene.account.rows["charge"][str(charge)]["disputed"] = False
    scene.refund(intent, 1000)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 0)
    assert scene.problems() == []


def test_disputes_of_others_in_the_account_are_left_alone(scene: Scene) -> None:
    intent = scene.stripe.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "payment_method": "pm_card_createDispute",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert intent.status == "succeeded"
    scene.wait(2)
    scene.settle()
    assert scene.events("charge.dispute")
    assert not Dispute.objects.exists()
    assert scene.problems() == []
