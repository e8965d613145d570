"""Money that bought credit leaves at Stripe: its credit and its tax leave with it."""

import pytest
from pytest_django import Settings

from metering.billing.models import Invoice
from metering.billing.parties import set_billing_profile
from metering.billing.providers.stripe.provider import StripeProvider
from metering.collection.following.linking import Source, link_payment
from metering.collection.models import Outgoing, Standing
from metering.collection.outgoing.telling import tell_all
from metering.ledger.models import CreditGrant
from metering.ledger.services import end_credit
from metering.receivables.holding import open_hold
from metering.receivables.models import CreditNote, Refund
from metering.receivables.services import record_payment
from metering.topups.advancing import advance
from metering.topups.services import ask_top_up
from metering.usage.selectors import database_now
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.following.bought import (
    buy,
    credit_minor,
    invoice_of,
    open_minor,
    taxed,
    wrong_in_the_books,
)
from tests.metering.collection.following.scene import DAY_S, HOUR, Scene
from tests.metering.ledger.test_credit import UNIT, books, spend

# Its refund fails days later.
FAILS = "4000000000005126"


def paid_again(scene: Scene, invoice: Invoice) -> str:
    """Pay for the same credit once more, as a second page did; return the intent."""
    intent = scene.stripe.v1.payment_intents.create(
        {
            "amount": invoice.amount_minor,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    payment = record_payment(
        invoice=invoice,
        amount_minor=invoice.amount_minor,
        reference=f"stripe {intent.id}",
        received_at=NOW,
        excess="credit",
        now=NOW,
    )
    source = Source("default", intent=intent.id)
    link_payment(payment=payment, source=source, reference=intent.id)
    return intent.id


def test_all_of_it_goes_back(scene: Scene) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.settle()
    refund = scene.refund(bought.intent, 11_900)
    scene.settle()
    scene.tell([{**each, "id": each["id"] + "b"} for each in scene.events("refund.")])
    row, note = Refund.objects.get(), CreditNote.objects.get()
    assert (row.reference, row.outlet) == (f"stripe {refund}", "paid_back")
    assert (note.amount_minor, note.tax_minor) == (11_900, 1_900)
    assert (invoice_of(tenant).state, books(tenant)) == ("void", {})
    assert CreditGrant.objects.get().reversal == "refund"
    assert scene.problems() == []
    # It was made there, and is not asked for once more.
    assert not Outgoing.objects.exists()


def test_a_part_goes_back_with_its_share_of_the_tax(scene: Scene) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.settle()
    for cents in (1, 500, 3_333):
        scene.refund(bought.intent, cents)
    scene.settle()
    invoice = invoice_of(tenant)
    notes = CreditNote.objects.order_by("pk")
    gone = [(note.amount_minor, note.tax_minor) for note in notes]
    # Their sum has its share: 3834 * 19 / 119 is 612.15.
    assert sorted(gross for gross, _ in gone) == [1, 500, 3_333]
    assert sum(tax for _, tax in gone) == 612
    assert (invoice.state, open_minor(invoice)) == ("paid", 0)
    assert books(tenant) == {
        "cash": (11_900 - 3_834) * UNIT // 100,
        "tax": -(1_900 - 612) * UNIT // 100,
        "wallet": -(10_000 - 3_222) * UNIT // 100,
    }
    scene.refund(bought.intent, 11_900 - 3_834)
    scene.settle()
    assert (invoice_of(tenant).state, books(tenant)) == ("void", {})


def test_what_was_used_of_it_is_owed(scene: Scene) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.settle()
    charge = spend(tenant)
    scene.refund(bought.intent, 11_900)
    scene.settle()
    grant = CreditGrant.objects.get()
    assert (grant.reversed_picos, grant.reversal) == (100 * UNIT, "charge_back")
    assert (charge > 0, grant.burned_picos) == (True, 0)
    assert (invoice_of(tenant).state, scene.problems()) == ("void", [])


def test_a_disputed_one_holds_its_credit_until_the_bank_decides(scene: Scene) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    dispute = scene.dispute(bought.intent)
    scene.settle()
    invoice = invoice_of(tenant)
    assert (invoice.state, credit_minor(invoice)) == ("open", 0)
    hold = open_hold(invoice)
    assert hold is not None
    assert hold.kind == "dispute"
    # As it was before it was paid.
    assert books(tenant) == {
        "receivable": 119 * UNIT,
        "deferred_revenue": -100 * UNIT,
        "tax": -19 * UNIT,
    }
    scene.decide(dispute, "won")
    scene.settle()
    invoice.refresh_from_db()
    assert (invoice.state, credit_minor(invoice)) == ("paid", 10_000)
    assert open_hold(invoice) is None
    assert not CreditNote.objects.exists()
    whole = {"cash": 119 * UNIT, "tax": -19 * UNIT, "wallet": -100 * UNIT}
    assert books(tenant) == whole
    assert sorted(CreditGrant.objects.values_list("reference", flat=True)) == [
        f"top-up {bought.top_up_id}",
        f"top-up {bought.top_up_id} again 1",
    ]


def test_one_that_is_lost_is_taken_back_with_its_tax(scene: Scene) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    dispute = scene.dispute(bought.intent)
    scene.settle()
    spend(tenant)
    scene.decide(dispute, "lost")
    scene.settle()
    note = CreditNote.objects.get()
    assert (note.reference, note.tax_minor) == (f"stripe {dispute}", 1_900)
    assert (invoice_of(tenant).state, books(tenant)) == ("void", {})
    assert open_hold(invoice_of(tenant)) is None


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_the_end_of_a_dispute_alone_says_all(scene: Scene, outcome: str) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.decide(scene.dispute(bought.intent), outcome)
    scene.tell(reversed(scene.events()))
    scene.tell({**each, "id": each["id"] + "b"} for each in scene.events())
    invoice = invoice_of(tenant)
    state, credit = ("paid", 10_000) if outcome == "won" else ("void", 0)
    assert (invoice.state, credit_minor(invoice)) == (state, credit)


def test_a_refund_during_a_dispute_that_is_won_takes_its_own_part(scene: Scene) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.refund(bought.intent, 1_190)
    scene.settle()
    dispute = scene.dispute(bought.intent)
    scene.settle()
    assert credit_minor(invoice_of(tenant)) == 0
    scene.decide(dispute, "won")
    scene.settle()
    assert (invoice_of(tenant).state, scene.problems()) == ("paid", [])
    assert credit_minor(invoice_of(tenant)) == 9_000


def test_a_refund_that_did_not_come_there_is_credit(scene: Scene) -> None:
    """It is the tenant's money, and nobody knows where to send it."""
    tenant = taxed()
    bought = buy(scene, tenant, card=FAILS)
    scene.settle()
    scene.refund(bought.intent, 11_900)
    scene.settle()
    assert books(tenant) == {}
    scene.wait(4 * DAY_S)
    scene.settle()
    assert books(tenant) == {"cash": 119 * UNIT, "wallet": -119 * UNIT}
    assert not Outgoing.objects.exists()


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_credit_that_ran_out_is_charged_back_and_stays_ended(
    scene: Scene, outcome: str
) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.settle()
    spend(tenant)
    end_credit(grant=CreditGrant.objects.get(), now=database_now())
    before = books(tenant)["breakage"]
    dispute = scene.dispute(bought.intent)
    scene.settle()
    assert scene.problems() == []
    assert "breakage" not in books(tenant)
    assert invoice_of(tenant).state == "open"
    scene.decide(dispute, outcome)
    scene.settle()
    assert scene.problems() == []
    state = "paid" if outcome == "won" else "void"
    assert invoice_of(tenant).state == state
    assert books(tenant).get("breakage", 0) == (before if outcome == "won" else 0)
    assert not CreditGrant.objects.filter(expired_at=None).exists()
    assert wrong_in_the_books() == []


@pytest.mark.parametrize("used", [False, True])
def test_a_second_payment_that_became_credit_takes_it_along(
    scene: Scene, used: bool
) -> None:
    tenant = taxed()
    buy(scene, tenant)
    scene.settle()
    whole = books(tenant)
    second = paid_again(scene, invoice_of(tenant))
    assert books(tenant)["wallet"] == whole["wallet"] - 119 * UNIT
    if used:
        spend(tenant)
    refund = scene.refund(second, 11_900)
    scene.settle()
    scene.tell([{**each, "id": each["id"] + "b"} for each in scene.events("refund.")])
    assert scene.problems() == []
    assert Refund.objects.filter(reference=f"stripe {refund}").count() == 1
    assert (invoice_of(tenant).state, books(tenant)) == ("paid", whole)
    assert credit_minor(invoice_of(tenant)) == 10_000
    assert not Outgoing.objects.exists()
    assert wrong_in_the_books() == []


@pytest.mark.parametrize("ending", ["open", "lost"])
def test_the_books_are_right_at_every_end(scene: Scene, ending: str) -> None:
    tenant = taxed()
    bought = buy(scene, tenant)
    scene.settle()
    scene.refund(bought.intent, 3_333)
    scene.settle()
    spend(tenant)
    dispute = scene.dispute(bought.intent)
    scene.settle()
    if ending != "open":
        scene.decide(dispute, ending)
        scene.settle()
    assert wrong_in_the_books() == []


def test_on_an_invoice_of_stripes_own_its_note_names_the_refund(
    scene: Scene, settings: Settings
) -> None:
    """Asked for while invoices were sent by ourselves, and invoiced after that."""
    tenant = taxed()
    settings.BILLING_PROVIDER = "offline"
    ask_top_up(tenant=tenant, amount_minor=10_000, now=database_now())
    settings.BILLING_PROVIDER = "stripe"
    advance(now=database_now())
    invoice = invoice_of(tenant)
    for _ in range(3):
        StripeProvider().advance(invoice, now=NOW)
        invoice.refresh_from_db()
    intent = scene.pay(invoice)
    scene.settle()
    refund = scene.refund(intent, 1_190)
    scene.settle()
    assert credit_minor(invoice) == 9_000
    tell_all(now=NOW)
    [note] = scene.account.rows["credit_note"].values()
    assert (note["total"], note["out_of_band_amount"]) == (1_190, None)
    assert [each["refund"] for each in note["refunds"]] == [refund]
    assert Outgoing.objects.get().state == "told"
    scene.settle()
    assert Standing.objects.get().difference == ""


def test_tax_that_stripe_computed_is_taken_back_there_as_well(
    scene: Scene, settings: Settings
) -> None:
    settings.STRIPE_AUTOMATIC_TAX = True
    tenant = prepaid(currency="USD")
    set_billing_profile(tenant=tenant, country="DE", address="A 1\n10115 Berlin")
    bought = buy(scene, tenant)
    scene.settle()
    scene.refund(bought.intent, 3_333)
    scene.settle()
    note = CreditNote.objects.get()
    for _ in range(2):
        tell_all(now=NOW + HOUR)
    assert set(Outgoing.objects.values_list("kind", "state")) == {
        ("tax_sale", "told"),
        ("tax_reversal", "told"),
    }
    [line] = [
        line
        for row in scene.account.rows["tax.transaction"].values()
        if row["type"] == "reversal"
        for line in scene.account.lines[row["id"]]
    ]
    assert (line["amount"], line["amount_tax"]) == (-2_801, -532)
    assert (note.amount_minor, note.tax_minor) == (3_333, 532)
