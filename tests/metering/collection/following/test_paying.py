"""What is paid of an invoice at Stripe is paid here: once, whole, and in any order."""

import pytest

from kit.money import picos_from_minor
from metering.billing.models import Invoice
from metering.collection.models import Outgoing, ProviderPayment, Standing
from metering.collection.outgoing.telling import tell_all
from metering.ledger.models import CreditGrant
from metering.receivables.models import Payment
from metering.receivables.noting import Wanted, issue_credit_note
from metering.receivables.paying import record_payment
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.following.scene import (
    DAY_S,
    DECLINED,
    HOUR,
    Scene,
    balances,
)

State = Invoice.State


def test_an_invoice_that_is_paid_there_is_paid_here(scene: Scene) -> None:
    invoice = scene.issue(700, 300)
    intent = scene.pay(invoice)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)
    payment = Payment.objects.get()
    assert (payment.reference, payment.method) == (f"stripe {intent}", "card")
    assert payment.amount_minor == 1000
    assert payment.received_at <= NOW
    link = ProviderPayment.objects.get()
    assert (link.payment, link.account, link.intent) == (payment, "default", intent)
    assert link.charge.startswith("ch_")
    standing = Standing.objects.get()
    assert (standing.status, standing.difference) == ("paid", "")
    assert balances(invoice.tenant)["cash"] == picos_from_minor(1000, "USD")
    assert "receivable" not in balances(invoice.tenant)
    assert scene.problems() == []


def test_each_event_again_changes_nothing(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.pay(invoice)
    scene.settle()
    before = balances(invoice.tenant)
    for event in scene.events():
        scene.tell([{**event, "id": f"{event['id']}again"}])
    assert Payment.objects.count() == 1
    assert balances(invoice.tenant) == before


@pytest.mark.parametrize(
    "only", ["invoice.paid", "invoice_payment.paid", "invoice.updated"]
)
def test_any_one_event_is_enough(scene: Scene, only: str) -> None:
    invoice = scene.issue(1000)
    scene.pay(invoice)
    scene.tell(scene.events(only)[-1:])
    invoice.refresh_from_db()
    assert invoice.state == State.PAID


def test_a_failed_attempt_is_shown_and_gone_once_it_is_paid(scene: Scene) -> None:
    invoice = scene.issue(1000)
    with pytest.raises(Exception, match="declined"):
        scene.pay(invoice, DECLINED)
    scene.settle()
    standing = Standing.objects.get()
    assert (standing.status, standing.remaining_minor) == ("open", 1000)
    assert "declined" in standing.failure
    assert standing.attempt_count == 1
    scene.pay(invoice)
    scene.settle()
    standing.refresh_from_db()
    assert (standing.status, standing.failure) == ("paid", "")


def test_an_attempt_failed_when_it_was_first_seen_to(scene: Scene) -> None:
    invoice = scene.issue(1000)

    with pytest.raises(Exception, match="declined"):
        scene.pay(invoice, DECLINED)
    scene.settle()
    first = Standing.objects.get()
    assert first.failed_at is not None
    # Looked at again.
    (told, *_) = scene.events("invoice.payment_failed")
    scene.tell([{**told, "id": "evt_again"}])
    looked = Standing.objects.get()
    assert (looked.failed_at, looked.read_at > first.read_at) == (first.failed_at, True)

    # Another attempt than the one that was known.
    Standing.objects.update(attempt_count=0)
    scene.tell([{**told, "id": "evt_of_another"}])
    second = Standing.objects.get()
    assert second.failed_at is not None
    assert second.failed_at > first.failed_at
    # Before this was noted, it is not known: no look makes an old attempt a new one.
    Standing.objects.update(failed_at=None)
    scene.tell([{**told, "id": "evt_once_more"}])
    assert Standing.objects.get().failed_at is None
    scene.pay(invoice)
    scene.settle()
    assert Standing.objects.get().failed_at is None


def test_paid_elsewhere_as_told_there_is_paid_here(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.stripe.v1.invoices.pay(invoice.provider_reference, {"paid_out_of_band": True})
    scene.settle()
    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.method) == (1000, "other")
    assert payment.reference.endswith("out of band")
    scene.tell([{**scene.events("invoice.paid")[0], "id": "evt_again"}])
    assert Payment.objects.count() == 1


def test_what_we_told_stripe_was_paid_elsewhere_is_not_paid_twice(scene: Scene) -> None:
    invoice = scene.issue(1000)
    record_payment(
        invoice=invoice,
        amount_minor=1000,
        reference="our bank",
        received_at=NOW,
        now=NOW,
    )
    scene.stripe.v1.invoices.pay(invoice.provider_reference, {"paid_out_of_band": True})
    scene.settle()
    assert Payment.objects.count() == 1
    assert Standing.objects.get().difference == ""


def test_what_came_by_two_ways_is_credit(scene: Scene) -> None:
    """A transfer, and a card that was faster than our word of it."""
    invoice = scene.issue(1000)
    record_payment(
        invoice=invoice,
        amount_minor=1000,
        reference="our bank",
        received_at=NOW,
        now=NOW,
    )
    scene.pay(invoice)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)
    grant = CreditGrant.objects.get()
    assert grant.amount_picos == picos_from_minor(1000, "USD")
    assert Standing.objects.get().difference == ""


def test_what_was_too_small_to_be_charged_is_paid_with_the_next(scene: Scene) -> None:
    tenant = make_tenant(currency="USD")
    small = scene.issue(30, tenant=tenant)
    scene.settle()
    small.refresh_from_db()
    assert small.state == State.OPEN
    assert Standing.objects.get(invoice=small).status == "paid"
    assert Standing.objects.get(invoice=small).difference == ""
    large = scene.issue(1000, tenant=tenant)
    intent = scene.pay(large)
    scene.settle()
    states = {row.pk: (row.state, row.paid_minor) for row in Invoice.objects.all()}
    assert states == {small.pk: (State.PAID, 30), large.pk: (State.PAID, 1000)}
    assert set(Payment.objects.values_list("reference", flat=True)) == {
        f"stripe {intent}",
        f"stripe {intent} for {small.number}",
    }
    assert not CreditGrant.objects.exists()
    assert "receivable" not in balances(tenant)


def test_a_note_takes_off_its_invoice_and_not_what_that_asks_for_besides(
    scene: Scene,
) -> None:
    tenant = make_tenant(currency="USD")
    small, large = scene.issue(40, tenant=tenant), scene.issue(1000, tenant=tenant)
    wanted = Wanted("Not wanted.", "ticket", gross_minor=970)
    issue_credit_note(invoice=large, wanted=wanted, now=NOW)
    tell_all(now=NOW)
    scene.pay(large)
    scene.settle()
    paid = dict(Invoice.objects.values_list("pk", "paid_minor"))
    assert paid == {small.pk: 40, large.pk: 30}
    assert not CreditGrant.objects.exists()


def test_what_was_carried_is_paid_though_nobody_told_of_it(scene: Scene) -> None:
    tenant = make_tenant(currency="USD")
    small = [scene.issue(amount, tenant=tenant) for amount in (20, 25)]
    large = scene.issue(1000, tenant=tenant)
    scene.pay(large)
    scene.tell(scene.events("invoice.paid")[-1:])
    for invoice in (*small, large):
        invoice.refresh_from_db()
        assert invoice.state == State.PAID


def test_paid_elsewhere_pays_what_was_carried_too(scene: Scene) -> None:
    tenant = make_tenant(currency="USD")
    small, large = scene.issue(30, tenant=tenant), scene.issue(1000, tenant=tenant)
    scene.stripe.v1.invoices.pay(large.provider_reference, {"paid_out_of_band": True})
    scene.tell(scene.events("invoice.paid")[-1:])
    for invoice in (small, large):
        invoice.refresh_from_db()
        assert invoice.state == State.PAID


def test_what_was_carried_and_paid_elsewhere_is_credit(scene: Scene) -> None:
    tenant = make_tenant(currency="USD")
    small = scene.issue(30, tenant=tenant)
    record_payment(
        invoice=small, amount_minor=30, reference="cash", received_at=NOW, now=NOW
    )
    large = scene.issue(1000, tenant=tenant)
    scene.pay(large)
    scene.settle()
    large.refresh_from_db()
    assert (large.state, large.paid_minor) == (State.PAID, 1000)
    assert CreditGrant.objects.get().amount_picos == picos_from_minor(30, "USD")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ("void_invoice", "It was voided there, and is open here."),
        ("mark_uncollectible", "It was given up there, and is open here."),
    ],
)
def test_what_is_voided_or_given_up_there_is_looked_at_and_not_followed(
    scene: Scene, act: str, says: str
) -> None:
    invoice = scene.issue(1000)
    getattr(scene.stripe.v1.invoices, act)(invoice.provider_reference)
    scene.settle()
    invoice.refresh_from_db()
    assert invoice.state == State.OPEN
    standing = Standing.objects.get()
    assert (standing.difference, standing.differs_since) == (says, NOW)


def test_what_was_given_up_there_and_paid_after_all_is_paid(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.stripe.v1.invoices.mark_uncollectible(invoice.provider_reference)
    scene.settle()
    scene.pay(invoice)
    scene.settle()
    invoice.refresh_from_db()
    assert invoice.state == State.PAID
    standing = Standing.objects.get()
    assert (standing.difference, standing.differs_since) == ("", None)


def test_invoices_of_others_in_the_account_are_left_alone(scene: Scene) -> None:
    customer = scene.stripe.v1.customers.create({"name": "Somebody"})
    made = scene.stripe.v1.invoices.create({"customer": customer.id, "currency": "usd"})
    lines = [{"amount": 500, "description": "shoes"}]
    scene.stripe.v1.invoices.add_lines(made.id, {"lines": lines})  # type: ignore[typeddict-item]
    scene.stripe.v1.invoices.finalize_invoice(made.id)
    scene.stripe.v1.invoices.pay(made.id, {"paid_out_of_band": True})
    scene.settle()
    assert not Standing.objects.exists()
    assert scene.problems() == []


def test_a_direct_debit_takes_days(scene: Scene) -> None:
    invoice = scene.issue(1000, currency="EUR")
    scene.pay(invoice, "DE08370400440532013003")
    scene.settle()
    invoice.refresh_from_db()
    assert invoice.state == State.OPEN
    scene.wait(4 * DAY_S)
    scene.settle()
    invoice.refresh_from_db()
    assert invoice.state == State.PAID
    assert Payment.objects.get().method == "direct_debit"


def test_currencies_without_a_minor_unit_are_counted_as_stripe_does(
    scene: Scene,
) -> None:
    invoice = scene.issue(5_000, currency="UGX")
    scene.pay(invoice)
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 5_000)


def test_what_was_overpaid_is_on_a_balance_there_until_it_is_credit_here(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    scene.overpay(invoice, 1200)
    scene.settle()
    scene.tell([{**each, "id": each["id"] + "b"} for each in scene.events("invoice.")])
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1000)
    assert not CreditGrant.objects.exists()
    assert Standing.objects.get().difference.startswith("2.00 USD too much")
    assert scene.balance(invoice) == -200
    for _ in range(2):
        tell_all(now=NOW)
        scene.settle()
    assert scene.balance(invoice) == 0
    assert CreditGrant.objects.get().amount_picos == 2 * 10**12
    assert balances(invoice.tenant)["cash"] == picos_from_minor(1200, "USD")
    assert Standing.objects.get().difference == ""
    # The next one asks for all of its own.
    following = scene.issue(700, tenant=invoice.tenant)
    assert (
        scene.account.invoices[following.provider_reference]["amount_remaining"] == 700
    )


def test_a_part_of_our_unit_that_was_overpaid_stays_there(scene: Scene) -> None:
    invoice = scene.issue(5_000, currency="UGX")
    scene.overpay(invoice, 520_050)
    scene.settle()
    tell_all(now=NOW)
    scene.settle()
    assert CreditGrant.objects.get().amount_picos == 200 * 10**12
    assert scene.balance(invoice) == -50
    assert Outgoing.objects.get().state == "told"
    assert Standing.objects.get().difference == ""


@pytest.mark.parametrize("kind", ["drop_before", "commit_then_drop", "commit_then_500"])
def test_an_answer_that_is_lost_brings_it_once(scene: Scene, kind: str) -> None:
    invoice = scene.issue(1000)
    scene.overpay(invoice, 1200)
    scene.settle()
    path = "/v1/customers/*/balance_transactions"
    # Whatever the SDK tries again itself.
    for nth in range(1, 4):
        scene.standin.plan(kind, method="POST", path=path, nth=nth)
    for hours in (0, 2, 4, 30, 60):
        tell_all(now=NOW + hours * HOUR)
        scene.standin.advance(DAY_S / 2)
    assert Outgoing.objects.get().state == "told"
    assert scene.balance(invoice) == 0
    assert CreditGrant.objects.get().amount_picos == 2 * 10**12


def test_what_a_later_invoice_was_paid_with_there_is_looked_at(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.overpay(invoice, 1200)
    scene.settle()
    scene.issue(150, tenant=invoice.tenant)
    tell_all(now=NOW)
    row = Outgoing.objects.get()
    assert row.state == "waiting"
    assert "a later invoice there took 150" in row.problem
    assert not CreditGrant.objects.exists()
