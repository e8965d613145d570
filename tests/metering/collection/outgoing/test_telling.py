"""What is decided here reaches Stripe once, and comes to the same there."""

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from kit.errors import Conflict
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.services import issue_invoice
from metering.collection.buying.advancing import advance_purchases
from metering.collection.models import Outgoing
from metering.collection.outgoing.telling import tell_all
from metering.ledger.models import CreditGrant
from metering.receivables.models import CreditNote, Payment, Refund
from metering.receivables.services import (
    Wanted,
    issue_credit_note,
    record_payment,
    refund_payment,
    write_off,
)
from metering.topups.services import ask_top_up
from metering.usage.selectors import database_now
from tests.metering.billing.providers.scene import NOW, make_draft
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.following.scene import Scene
from tests.metering.collection.shopping import VISA, store_card
from tests.metering.ledger.test_credit import UNIT

HOUR = dt.timedelta(hours=1)
ALL_WAYS = ["drop_before", "commit_then_drop", "commit_then_500", "error_500"]


def credited(invoice: Invoice, outlet: str = "", **lines: Any) -> CreditNote:
    """Take back some or all of an invoice."""
    wanted = Wanted("Wrong price.", f"note of {invoice.pk} {lines}", outlet=outlet)
    if lines:
        amounts = {int(name[1:]): minor for name, minor in lines.items()}
        wanted = Wanted(wanted.reason, wanted.reference, amounts, outlet)
    return issue_credit_note(invoice=invoice, wanted=wanted, now=NOW)


def told(hours: int = 0) -> list[tuple[str, str, str]]:
    """Tell all, in as many scans as it takes; return what became of each."""
    for minute in range(4):
        tell_all(now=NOW + HOUR * hours + dt.timedelta(minutes=2 * minute))
    return sorted(Outgoing.objects.values_list("kind", "state", "problem"))


def there(scene: Scene, invoice: Invoice) -> dict[str, Any]:
    """Return an invoice as Stripe has it."""
    return dict(scene.account.invoices[invoice.provider_reference])


def notes(scene: Scene) -> list[dict[str, Any]]:
    """Return the credit notes there."""
    return list(scene.account.rows["credit_note"].values())


def test_a_note_takes_lines_off_what_is_open(scene: Scene) -> None:
    invoice = scene.issue(1000, 500)
    note = credited(invoice, _1=400)
    assert told() == [("credit_note", "told", "")]
    [made] = notes(scene)
    assert (made["total"], made["metadata"]["tollgate_number"]) == (400, note.number)
    assert there(scene, invoice)["amount_remaining"] == 1100
    # Told once, however often is scanned, and news of it changes nothing here.
    told(3)
    scene.settle()
    assert len(notes(scene)) == 1
    invoice.refresh_from_db()
    assert (invoice.state, invoice.credited_minor) == ("open", 400)


def test_money_that_was_paid_goes_back_where_it_came_from(scene: Scene) -> None:
    invoice = scene.issue(1000, 500)
    scene.pay(invoice)
    scene.settle()
    credited(invoice, "paid_back", _2=500)
    assert [each[:2] for each in told()] == [
        ("credit_note", "told"),
        ("refund", "told"),
    ]
    [refund] = scene.account.rows["refund"].values()
    [made] = notes(scene)
    assert (refund["amount"], made["total"]) == (500, 500)
    assert made["post_payment_amount"] == 500
    # Its news is known to be of ours.
    scene.settle()
    assert Refund.objects.count() == 1
    assert Payment.objects.count() == 1


def test_what_is_kept_as_credit_is_no_money_there(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.pay(invoice)
    scene.settle()
    credited(invoice, "credit", _1=300)
    assert told() == [("credit_note", "told", "")]
    [made] = notes(scene)
    assert made["out_of_band_amount"] == 300
    assert not scene.account.rows["refund"]


def test_a_refund_without_a_note_goes_back_too(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.pay(invoice)
    scene.settle()
    refund_payment(
        payment=Payment.objects.get(),
        now=NOW,
        amount_minor=250,
        outlet="paid_back",
        reference="goodwill",
        reason="Goodwill.",
    )
    assert told() == [("refund", "told", "")]
    [refund] = scene.account.rows["refund"].values()
    assert refund["amount"] == 250
    scene.settle()
    assert Refund.objects.count() == 1


def test_what_was_refunded_there_is_not_told_there(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.refund(scene.pay(invoice), 100)
    scene.settle()
    assert Refund.objects.count() == 1
    assert told() == []


def test_an_invoice_that_is_given_up_is_so_there(scene: Scene) -> None:
    invoice = scene.issue(1000)
    write_off(invoice=invoice, reason="Gone.", now=NOW)
    assert told() == [("write_off", "told", "")]
    assert there(scene, invoice)["status"] == "uncollectible"


def test_one_that_came_in_after_all_is_not_given_up_there(scene: Scene) -> None:
    invoice = scene.issue(1000)
    write_off(invoice=invoice, reason="Gone.", now=NOW)
    scene.pay(invoice)
    scene.settle()
    assert told()[0][:2] == ("write_off", "skipped")
    assert there(scene, invoice)["status"] == "paid"


def test_a_transfer_that_settles_an_invoice_closes_it_there(scene: Scene) -> None:
    invoice = scene.issue(1000, 500)
    credited(invoice, _2=500)
    for part in (1, 2):
        record_payment(
            invoice=invoice,
            now=NOW,
            amount_minor=500,
            reference=f"transfer {part}",
            received_at=NOW,
        )
    assert [each[:2] for each in told()] == [
        ("credit_note", "told"),
        ("paid_elsewhere", "told"),
    ]
    assert there(scene, invoice)["status"] == "paid"
    scene.settle()
    assert Payment.objects.count() == 2


def test_what_was_carried_over_is_taken_off_what_is_owed_for_later(
    scene: Scene,
) -> None:
    invoice = scene.issue(30)
    customer = str(there(scene, invoice)["customer"])
    assert scene.account.customers[customer]["balance"] == 30
    credited(invoice)
    assert told() == [("credit_note", "told", "")]
    assert scene.account.customers[customer]["balance"] == 0


def test_what_stripe_collected_is_not_told_to_it(scene: Scene) -> None:
    scene.pay(scene.issue(1000))
    scene.settle()
    assert told() == []


@pytest.mark.parametrize("kind", ALL_WAYS)
@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/credit_notes"])
def test_an_answer_that_is_lost_doubles_nothing(
    scene: Scene, kind: str, path: str
) -> None:
    invoice = scene.issue(1000)
    scene.pay(invoice)
    scene.settle()
    for nth in (1, 2, 3):
        scene.standin.plan(kind, method="POST", path=path, nth=nth)
    credited(invoice, "paid_back", _1=600)
    told()
    scene.standin.engine.faults.clear()
    # Beyond the life of every key.
    scene.wait(2 * 24 * 3600)
    assert [each[1] for each in told(49)] == ["told", "told"]
    assert [each["amount"] for each in scene.account.rows["refund"].values()] == [600]
    assert [each["total"] for each in notes(scene)] == [600]
    calls = ProviderOperation.objects.filter(name__in=("refund", "credit_note"))
    assert {each.state for each in calls.order_by("name", "-attempt")} <= {
        "succeeded",
        "failed",
    }


def test_a_note_that_stripe_refuses_waits_and_says_why(scene: Scene) -> None:
    invoice = scene.issue(1000)
    scene.standin.engine.account.invoices[invoice.provider_reference]["status"] = "void"
    credited(invoice, _1=100)
    [(_, state, problem)] = told()
    assert state == "waiting"
    assert "void" in problem


def test_where_stripe_computed_the_tax_the_note_is_issued_there(scene: Scene) -> None:
    draft = make_draft(1000, provider="stripe")
    basis = {"tax": {"kind": "automatic", "note": "", "rates": []}}
    Invoice.objects.filter(pk=draft.pk).update(basis=basis)
    with pytest.raises(Conflict, match="computed the tax"):
        credited(issue_invoice(invoice=draft, now=NOW), _1=100)


def test_credit_that_is_taken_back_is_paid_back(
    scene: Scene, settings: Settings
) -> None:
    settings.BILLING_PROVIDER = "stripe"
    tenant = prepaid()
    store_card(scene.standin, tenant, VISA)
    ask_top_up(tenant=tenant, amount_minor=2000, now=database_now())
    advance_purchases(now=database_now())
    invoice = Invoice.objects.get(tenant=tenant)
    issue_credit_note(
        invoice=invoice,
        wanted=Wanted("Bought too much.", "back", outlet="paid_back"),
        now=database_now(),
    )
    tell_all(now=database_now())
    [refund] = scene.account.rows["refund"].values()
    assert refund["amount"] == 2000
    # The invoice is ours: there is none there that a note could be about.
    assert Outgoing.objects.get().kind == "refund"
    assert CreditGrant.objects.get().reversed_picos == 20 * UNIT
