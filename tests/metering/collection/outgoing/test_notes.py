"""A note takes off what its invoice itself asks for, and nothing of others."""

import pytest

from metering.billing.models import Invoice, ProviderOperation
from metering.receivables.models import Payment
from tests.factories.tenants import make_tenant
from tests.metering.collection.following.scene import Scene
from tests.metering.collection.outgoing.test_telling import (
    ALL_WAYS,
    credited,
    notes,
    there,
    told,
)


def customer_of(scene: Scene, invoice: Invoice) -> str:
    """Return whom an invoice is for there."""
    return str(there(scene, invoice)["customer"])


def partly_paid(scene: Scene) -> tuple[Invoice, Invoice]:
    """Return an invoice carried to a later one, and that one, half paid there."""
    tenant = make_tenant()
    small = scene.issue(30, tenant=tenant)
    large = scene.issue(1000, tenant=tenant)
    scene.overpay(large, 500)
    assert there(scene, large)["amount_remaining"] == 530
    return small, large


def test_what_credit_there_paid_is_not_taken_off_what_others_carried(
    scene: Scene,
) -> None:
    tenant = make_tenant()
    customer = customer_of(scene, scene.issue(10, tenant=tenant))
    scene.stripe.v1.customers.balance_transactions.create(
        customer, {"amount": -30, "currency": "usd"}
    )
    # Of which 20 is paid from what the customer had there.
    invoice = scene.issue(30, tenant=tenant)
    scene.issue(35, tenant=tenant)
    assert scene.balance(invoice) == 45
    credited(invoice)
    assert told() == [("credit_note", "told", "")]
    assert scene.balance(invoice) == 35
    [made] = notes(scene)
    assert made["out_of_band_amount"] == 20


def test_what_a_note_takes_off_what_was_carried_is_owed_for_later(
    scene: Scene,
) -> None:
    small, large = partly_paid(scene)
    scene.settle()
    credited(large, "credit")
    assert told() == [("credit_note", "told", "")]
    [made] = notes(scene)
    assert (made["pre_payment_amount"], scene.balance(large)) == (530, 30)
    told(3)
    scene.settle()
    assert scene.balance(large) == 30
    small.refresh_from_db()
    assert (small.state, Payment.objects.get().amount_minor) == ("open", 500)
    # So the next invoice asks for it.
    scene.pay(scene.issue(1000, tenant=large.tenant))
    scene.settle()
    small.refresh_from_db()
    assert small.state == "paid"


@pytest.mark.parametrize("kind", ALL_WAYS)
def test_an_answer_about_it_that_is_lost_is_owed_once(scene: Scene, kind: str) -> None:
    _, large = partly_paid(scene)
    scene.settle()
    path = "/v1/customers/*/balance_transactions"
    for nth in (1, 2):
        scene.standin.plan(kind, method="POST", path=path, nth=nth)
    credited(large, "credit")
    told()
    scene.standin.engine.faults.clear()
    scene.wait(2 * 24 * 3600)
    assert told(49) == [("credit_note", "told", "")]
    assert (scene.balance(large), len(notes(scene))) == (30, 1)


def test_a_note_waits_for_payments_that_divide_otherwise_after_it(
    scene: Scene,
) -> None:
    _, large = partly_paid(scene)
    credited(large)
    [(_, state, problem)] = told()
    assert (state, problem) == (
        "waiting",
        "A payment of the invoice is not recorded here yet.",
    )
    assert not ProviderOperation.objects.filter(name="credit_note").exists()
    scene.settle()
    assert told(1) == [("credit_note", "told", "")]
    assert Payment.objects.get().invoice == large
    assert scene.balance(large) == 30
