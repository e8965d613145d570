"""What is closed here is closed at Stripe, and what it carried is asked for no more."""

from collections.abc import Callable

import pytest

from metering.billing.models import Invoice
from metering.billing.outbox import undone
from metering.collection.models import Outgoing
from metering.collection.outgoing.telling import tell_all
from metering.receivables.models import Payment, Refund
from metering.receivables.services import record_payment, refund_payment, write_off
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.following.scene import Scene
from tests.metering.collection.outgoing.test_telling import (
    ALL_WAYS,
    credited,
    notes,
    there,
    told,
)


def given_up(invoice: Invoice) -> None:
    """Give an invoice up."""
    write_off(invoice=invoice, reason="Gone.", now=NOW)


def paid_by_transfer(invoice: Invoice) -> None:
    """Record that all of an invoice came by transfer."""
    record_payment(
        invoice=invoice,
        now=NOW,
        amount_minor=invoice.amount_minor,
        reference=f"transfer {invoice.pk}",
        received_at=NOW,
    )


def owed_later(scene: Scene) -> int:
    """Return what the one customer there owes for later."""
    [customer] = scene.account.customers.values()
    return int(customer["balance"])


@pytest.mark.parametrize("close", [given_up, paid_by_transfer])
def test_what_it_carried_is_not_asked_for_with_the_next(
    scene: Scene, close: Callable[[Invoice], None]
) -> None:
    tenant = make_tenant()
    small = scene.issue(30, tenant=tenant)
    scene.issue(10, tenant=tenant)
    assert owed_later(scene) == 40
    close(small)
    assert [each[1:] for each in told()] == [("told", "")]
    assert owed_later(scene) == 10
    told(3)
    assert owed_later(scene) == 10


@pytest.mark.parametrize("kind", ALL_WAYS)
def test_an_answer_about_it_that_is_lost_takes_it_off_once(
    scene: Scene, kind: str
) -> None:
    given_up(scene.issue(30))
    for nth in (1, 2):
        scene.standin.plan(
            kind, method="POST", path="/v1/customers/*/balance_transactions", nth=nth
        )
    told()
    scene.standin.engine.faults.clear()
    scene.wait(2 * 24 * 3600)
    assert [each[1] for each in told(49)] == ["told"]
    assert owed_later(scene) == 0
    assert not undone().exists()


def test_one_given_up_comes_in_after_all_with_the_invoice_that_asked_for_it(
    scene: Scene,
) -> None:
    tenant = make_tenant()
    small = scene.issue(30, tenant=tenant)
    large = scene.issue(1000, tenant=tenant)
    given_up(small)
    [(_, state, problem)] = told()
    assert (state, problem) == ("skipped", "A later invoice asks for it already.")
    assert owed_later(scene) == 0
    scene.pay(large)
    scene.settle()
    small.refresh_from_db()
    assert (small.state, small.paid_minor, small.written_off_minor) == ("paid", 30, 0)
    assert Payment.objects.get(invoice=large).amount_minor == 1000


def test_a_note_leaves_to_the_later_invoice_what_that_asks_for(scene: Scene) -> None:
    tenant = make_tenant()
    small = scene.issue(30, tenant=tenant)
    scene.issue(1000, tenant=tenant)
    credited(small)
    assert told() == [("credit_note", "told", "")]
    [made] = notes(scene)
    assert made["out_of_band_amount"] == 30
    assert owed_later(scene) == 0


@pytest.mark.parametrize("close", [given_up, paid_by_transfer])
def test_a_close_whose_answer_is_lost_is_not_in_doubt_for_good(
    scene: Scene, close: Callable[[Invoice], None]
) -> None:
    invoice = scene.issue(1000)
    close(invoice)
    path = "pay" if close is paid_by_transfer else "mark_uncollectible"
    scene.standin.plan(
        "commit_then_500", method="POST", path=f"/v1/invoices/*/{path}", nth=1
    )
    tell_all(now=NOW)
    assert undone().exists()
    assert [each[1] for each in told(1)] == ["told"]
    assert not undone().exists()


def test_one_that_is_not_to_be_closed_any_more_leaves_nothing_in_doubt(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    given_up(invoice)
    path = "/v1/invoices/*/mark_uncollectible"
    for nth in (1, 2, 3):
        scene.standin.plan("drop_before", method="POST", path=path, nth=nth)
    tell_all(now=NOW)
    assert undone().exists()
    scene.pay(invoice)
    scene.settle()
    assert there(scene, invoice)["status"] == "paid"
    assert told(1)[0][:2] == ("write_off", "skipped")
    assert not undone().exists()
    assert Outgoing.objects.count() == 1


def charged_back(invoice: Invoice) -> None:
    """Let the bank take the transfer of an invoice back."""
    refund_payment(
        payment=Payment.objects.get(invoice=invoice),
        now=NOW,
        amount_minor=invoice.amount_minor,
        outlet=Refund.Outlet.CHARGE_BACK,
        reference="bank",
        reason="Recalled.",
    )


def test_a_transfer_that_was_told_and_left_again_did_not_come_twice(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    paid_by_transfer(invoice)
    assert told() == [("paid_elsewhere", "told", "")]
    charged_back(invoice)
    # News of it, late or of something else, is no money.
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == ("open", 0)
    assert Payment.objects.count() == 1


def test_one_that_was_open_again_and_is_paid_anew_is_told_after_all(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    paid_by_transfer(invoice)
    charged_back(invoice)
    assert [each[1] for each in told()] == ["skipped"]
    record_payment(
        invoice=invoice,
        now=NOW,
        amount_minor=1000,
        reference="another transfer",
        received_at=NOW,
    )
    assert told() == [("paid_elsewhere", "told", "")]
    assert there(scene, invoice)["status"] == "paid"
