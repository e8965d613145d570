"""What happens to money at Stripe, from the product's call to the product's books.

The same scenarios keep the stand-in honest: given STRIPE_TEST_KEY they run in a real
test account too. The product hears of things by listing events, as it does hourly; its
webhooks are tried elsewhere, since no account can reach a test.
"""

import datetime as dt
from typing import Any

import pytest

from kit.money import picos_from_minor
from metering.billing.models import Invoice
from metering.billing.providers.stripe.provider import StripeProvider
from metering.collection.buying import advancing, asking
from metering.collection.methods import read_methods
from metering.collection.models import Outgoing, Purchase, Standing
from metering.collection.outgoing.telling import tell_all
from metering.ledger.models import CreditGrant
from metering.receivables.holding import open_hold
from metering.receivables.models import Payment, Refund
from metering.receivables.services import Wanted, issue_credit_note, write_off
from metering.topups.services import ask_top_up
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.factories.tenants import make_tenant
from tests.journeys.stripe.worlds import (
    DECLINES,
    IS_DISPUTED,
    PAYS,
    Card,
    World,
    hear,
    problems,
)
from tests.metering.billing.providers.scene import make_draft
from tests.metering.collection.shopping import customer

State = Invoice.State


def issued(*amounts: int, tenant: Tenant | None = None) -> Invoice:
    """Issue an invoice through Stripe."""
    invoice = make_draft(*amounts, provider="stripe", tenant=tenant)
    provider = StripeProvider()
    for _ in range(3):
        provider.advance(invoice, now=database_now())
        invoice.refresh_from_db()
    assert invoice.hosted_url, invoice.problem
    return invoice


def paid(world: World, *amounts: int, card: Card = PAYS) -> Invoice:
    """Issue an invoice, and let it be paid there and here."""
    invoice = issued(*amounts)
    assert world.pay(invoice, card)
    world.until(lambda: Payment.objects.filter(invoice=invoice).exists())
    invoice.refresh_from_db()
    return invoice


def tell() -> None:
    """Let the product tell what was decided here; a note waits for its refund."""
    for minute in range(0, 4, 2):
        tell_all(now=database_now() + dt.timedelta(minutes=minute))
    left = Outgoing.objects.filter(state=Outgoing.State.WAITING)
    assert not left.values_list("problem", flat=True)


def intent_of(invoice: Invoice) -> str:
    """Return the payment intent that paid an invoice."""
    return Payment.objects.get(invoice=invoice).reference.removeprefix("stripe ")


def prepaid_with(world: World, card: Card) -> Tenant:
    """Make a tenant that pays in advance, with a card as its default."""
    tenant = make_tenant(payment_mode="prepaid")
    owner = customer(tenant)
    asked: Any = {"customer": owner.reference}
    method = world.stripe.v1.payment_methods.attach(card.token, asked)
    world.stripe.v1.customers.update(
        owner.reference, {"invoice_settings": {"default_payment_method": method.id}}
    )
    read_methods(customer=owner, now=database_now())
    return tenant


def test_an_invoice_is_paid(world: World) -> None:
    invoice = paid(world, 1200, 34)
    assert (invoice.state, invoice.paid_minor) == (State.PAID, 1234)
    assert Payment.objects.get().method == "card"
    remote = world.stripe.v1.invoices.retrieve(invoice.provider_reference)
    assert (remote.status, remote.amount_paid, remote.number) == (
        "paid",
        1234,
        invoice.number,
    )
    assert Standing.objects.get().difference == ""


def test_an_invoice_is_declined_and_then_paid(world: World) -> None:
    invoice = issued(900)
    assert not world.pay(invoice, DECLINES)
    world.until(lambda: Standing.objects.exclude(failure="").exists())
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 0)
    assert world.pay(invoice, PAYS)
    world.until(lambda: Standing.objects.filter(status="paid").exists())
    invoice.refresh_from_db()
    assert invoice.state == State.PAID
    assert Standing.objects.get().failure == ""


def test_a_payment_is_refunded_in_part(world: World) -> None:
    invoice = paid(world, 1000)
    asked: Any = {"payment_intent": intent_of(invoice), "amount": 400}
    refund = world.stripe.v1.refunds.create(asked)
    world.until(Refund.objects.exists)
    row = Refund.objects.get()
    assert (row.reference, row.outlet) == (f"stripe {refund.id}", "paid_back")
    assert row.amount_minor == 400
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == (State.OPEN, 600)


@pytest.mark.parametrize("is_paid", [False, True], ids=["open", "paid"])
def test_an_invoice_is_credited(world: World, *, is_paid: bool) -> None:
    invoice = paid(world, 1000, 500) if is_paid else issued(1000, 500)
    wanted = Wanted("Wrong price.", "wrong price", {1: 400}, "paid_back")
    note = issue_credit_note(invoice=invoice, wanted=wanted, now=database_now())
    tell()
    asked: Any = {"invoice": invoice.provider_reference}
    [there] = world.stripe.v1.credit_notes.list(asked).data
    marks: Any = there.metadata
    assert (there.total, marks["tollgate_number"]) == (400, note.number)
    if is_paid:
        [refund] = world.stripe.v1.refunds.list(
            {"payment_intent": intent_of(invoice)}
        ).data
        assert (refund.amount, there.post_payment_amount) == (400, 400)
    else:
        assert world.pay(invoice, PAYS)
    world.until(lambda: Standing.objects.filter(status="paid").exists())
    hear()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor, invoice.credited_minor) == (
        State.PAID,
        1100,
        400,
    )
    assert Refund.objects.count() == int(is_paid)
    assert (Standing.objects.get().difference, problems()) == ("", [])


def test_what_is_too_little_to_charge_for_is_paid_with_the_next_month(
    world: World,
) -> None:
    tenant = make_tenant()
    small, large = issued(20, tenant=tenant), issued(1000, tenant=tenant)
    assert small.carried_minor == 20
    assert world.pay(large, PAYS)
    world.until(lambda: Payment.objects.filter(invoice=small).exists())
    found = dict(Payment.objects.values_list("invoice", "amount_minor"))
    assert found == {small.pk: 20, large.pk: 1000}
    assert set(Invoice.objects.values_list("state", flat=True)) == {State.PAID}
    assert set(Standing.objects.values_list("difference", flat=True)) == {""}


def test_what_was_given_up_meanwhile_is_not_asked_for_with_the_next_month(
    world: World,
) -> None:
    tenant = make_tenant()
    small = issued(20, tenant=tenant)
    write_off(invoice=small, reason="Too little.", now=database_now())
    tell()
    large = issued(1000, tenant=tenant)
    remote = world.stripe.v1.invoices.retrieve(large.provider_reference)
    assert remote.amount_due == 1000


def test_a_payment_is_disputed(world: World) -> None:
    invoice = paid(world, 1000, card=IS_DISPUTED)
    world.until(Refund.objects.exists)
    row = Refund.objects.get()
    assert (row.outlet, row.amount_minor) == ("charge_back", 1000)
    hold = open_hold(invoice)
    assert hold is not None
    assert hold.kind == "dispute"
    invoice.refresh_from_db()
    assert invoice.paid_minor == 0


def test_credit_is_bought_at_a_checkout(world: World) -> None:
    tenant = make_tenant(payment_mode="prepaid")
    purchase = asking.ask_checkout(tenant=tenant, amount_minor=2000, now=database_now())
    advancing.advance_purchases(now=database_now())
    purchase.refresh_from_db()
    assert purchase.state == "open", purchase.problem
    world.buy(purchase, PAYS)
    world.until(CreditGrant.objects.exists)
    invoice = Invoice.objects.get()
    assert (invoice.state, invoice.amount_minor) == (State.PAID, 2000)
    granted = CreditGrant.objects.get()
    assert granted.amount_picos == picos_from_minor(2000, tenant.currency)


@pytest.mark.parametrize(
    ("card", "state"), [(PAYS, "paid"), (DECLINES, "failed")], ids=["pays", "declines"]
)
def test_credit_is_bought_by_the_default_card_with_nobody_there(
    world: World, card: Card, state: str
) -> None:
    tenant = prepaid_with(world, card)
    ask_top_up(tenant=tenant, amount_minor=2000, now=database_now())
    advancing.advance_purchases(now=database_now())
    world.until(lambda: Purchase.objects.get().state == state)
    assert CreditGrant.objects.exists() == (state == "paid")
    assert Invoice.objects.exists() == (state == "paid")
