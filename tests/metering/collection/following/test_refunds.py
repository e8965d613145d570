"""Money that goes back at Stripe goes back here: once, and not at all if it failed."""

from kit.money import picos_from_minor
from metering.billing.models import Invoice
from metering.collection.models import ProviderRefund, Standing
from metering.inbox.models import WebhookEvent
from metering.receivables.models import Payment, Refund
from metering.receivables.paying import refund_payment
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.following.scene import DAY_S, Scene, balances

State = Invoice.State
# Its refund arrives in three days, or fails then.
SLOW, FAILS = "4000000000007726", "4000000000005126"


def test_a_refund_is_paid_back_here_once(scene: Scene) -> None:
    invoice = scene.issue(1000)
    intent = scene.pay(invoice)
    refund = scene.refund(intent, 400)
    scene.settle()
    scene.tell([{**each, "id": each["id"] + "b"} for each in scene.events("refund.")])
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 600)
    row = Refund.objects.get()
    assert (row.reference, row.outlet) == (f"stripe {refund}", "paid_back")
    assert row.amount_minor == 400
    assert ProviderRefund.objects.get().status == "succeeded"
    assert balances(invoice.tenant)["cash"] == picos_from_minor(600, "USD")


def test_what_went_back_is_no_difference(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.refund(scene.pay(invoice), 1000)
    scene.settle()
    scene.tell([{**scene.events("invoice.paid")[-1], "id": "evt_again"}])
    assert Standing.objects.get().difference == ""


def test_a_refund_that_nobody_told_the_payment_of_is_recorded_with_it(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    scene.refund(scene.pay(invoice), 1000)
    scene.tell(scene.events("refund."))
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 0)
    assert Payment.objects.get().amount_minor == 1000
    assert Refund.objects.get().amount_minor == 1000


def test_a_refund_on_its_way_is_not_back_yet(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.refund(scene.pay(invoice, SLOW), 300)
    scene.settle()
    assert not Refund.objects.exists()
    assert ProviderRefund.objects.get().status == "pending"
    scene.wait(4 * DAY_S)
    scene.settle()
    assert Refund.objects.get().amount_minor == 300


def test_a_refund_that_failed_after_all_is_here_again(scene: Scene) -> None:
    invoice = scene.issue(1000)
    intent = scene.pay(invoice, FAILS)
    refund = scene.refund(intent, 300)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 700)
    scene.wait(4 * DAY_S)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)
    assert ProviderRefund.objects.get().status == "failed"
    again = Payment.objects.get(reference=f"stripe {refund} failed")
    assert again.amount_minor == 300
    # What is here again can go back by another refund of the same payment.
    scene.refund(intent, 1000)
    scene.tell(scene.events("refund.created")[-1:])
    assert sum(Refund.objects.values_list("amount_minor", flat=True)) == 1300
    invoice.refresh_from_db()
    assert invoice.paid_minor == 0


def test_a_refund_that_failed_before_it_was_known_never_went_back(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.refund(scene.pay(invoice, FAILS), 300)
    scene.wait(4 * DAY_S)
    scene.settle()
    assert not Refund.objects.exists()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)


def test_a_refund_that_we_asked_for_is_not_recorded_again(scene: Scene) -> None:
    invoice = scene.issue(1000)
    intent = scene.pay(invoice, FAILS)
    scene.settle()
    ours = refund_payment(
        payment=Payment.objects.get(),
        amount_minor=250,
        outlet="paid_back",
        reference="goodwill",
        reason="Slow answers.",
        now=NOW,
    )
    scene.refund(intent, 250, metadata={"tollgate_refund": str(ours.pk)})
    scene.settle()
    assert Refund.objects.get() == ours
    scene.wait(4 * DAY_S)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)


def test_a_mark_that_is_none_of_ours_says_nothing(scene: Scene) -> None:
    invoice = scene.issue(1000)
    intent = scene.pay(invoice)
    for mark in ("0", "²", "-1", "x" * 400, "9" * 40):
        scene.refund(intent, 10, metadata={"tollgate_refund": mark})
    scene.settle()
    assert sum(Refund.objects.values_list("amount_minor", flat=True)) == 50
    assert scene.problems() == []


def test_a_refund_of_what_paid_two_invoices_goes_back_from_the_latest_first(
    scene: Scene,
) -> None:
    tenant = make_tenant(currency="USD")
    small, large = scene.issue(30, tenant=tenant), scene.issue(1000, tenant=tenant)
    intent = scene.pay(large)
    scene.refund(intent, 1030)
    scene.settle()
    for invoice in (small, large):
        invoice.refresh_from_db()
        assert (invoice.state, invoice.paid_minor) == (State.OPEN, 0)
    assert sorted(Refund.objects.values_list("amount_minor", flat=True)) == [30, 1000]


def test_more_than_is_left_is_looked_at_by_somebody(scene: Scene) -> None:
    """Paid back here by hand, and at Stripe once more."""
    invoice = scene.issue(1000)
    intent = scene.pay(invoice)
    scene.settle()
    refund_payment(
        payment=Payment.objects.get(),
        amount_minor=800,
        outlet="paid_back",
        reference="by transfer",
        reason="Asked for.",
        now=NOW,
    )
    scene.refund(intent, 500)
    scene.settle()
    assert "not left of the payment" in scene.problems()[0]
    assert WebhookEvent.objects.get(type="refund.created").state == "waiting"
    assert Refund.objects.count() == 1


def test_refunds_of_others_in_the_account_are_left_alone(scene: Scene) -> None:
    intent = scene.stripe.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    scene.refund(intent.id, 500)
    scene.settle()
    assert not ProviderRefund.objects.exists()
    assert scene.problems() == []
