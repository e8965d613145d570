"""Credit whose tax Stripe computes: quoted, paid, recorded there, and taken back."""

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from metering.billing.models import Invoice, InvoiceLine, ProviderOperation
from metering.billing.outbox import undone
from metering.billing.parties import set_billing_profile
from metering.billing.rebuilding import rebuilt_lines
from metering.collection.buying import advancing, asking
from metering.collection.buying.handlers import payment_changed
from metering.collection.models import Outgoing, Purchase
from metering.collection.outgoing.telling import tell_all
from metering.ledger.models import CreditGrant
from metering.receivables.models import CreditNote
from metering.receivables.services import Wanted, issue_credit_note
from metering.topups.models import TopUp
from metering.topups.services import ask_top_up
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.shopping import VISA, pay_on_page, store_card
from tests.metering.ledger.test_credit import UNIT, books
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.errors import refused
from tests.standins.stripe.world import tax_calculations

pytestmark = pytest.mark.usefixtures("operator_db")
MINUTE = dt.timedelta(minutes=1)
RECORD = "/v1/tax/transactions/create_from_calculation"
NEW_YORK = {
    "country": "US",
    "region": "NY",
    "address": "1 Main St\nNew York, NY 10001",
}


@pytest.fixture(autouse=True)
def automatic(settings: Settings) -> None:
    """Let Stripe compute the account's tax."""
    settings.STRIPE_AUTOMATIC_TAX = True


def located(**where: str) -> Tenant:
    """Make a prepaid tenant that Stripe can tax: in Berlin, unless said otherwise."""
    tenant = prepaid(currency="USD")
    where = where or {"country": "DE", "address": "A 1\n10115 Berlin"}
    set_billing_profile(tenant=tenant, **where)
    return tenant


def asked(tenant: Tenant, amount_minor: int = 10_000) -> Purchase:
    """Ask for credit, and let the worker open its page."""
    row = asking.ask_checkout(
        tenant=tenant, amount_minor=amount_minor, now=database_now()
    )
    return again(row)


def again(row: Purchase, after: dt.timedelta = dt.timedelta()) -> Purchase:
    """Let the worker go on."""
    advancing.advance_purchases(now=database_now() + after)
    row.refresh_from_db()
    return row


def paid(standin: StripeStandIn, tenant: Tenant, amount_minor: int = 10_000) -> Invoice:
    """Let a tenant pay for credit on a page, and hear of it."""
    row = asked(tenant, amount_minor)
    pay_on_page(standin, row.session)
    session = standin.engine.account.rows["checkout.session"][row.session]
    intent = session["payment_intent"]
    payment_changed("default", intent, "payment_intent.succeeded", database_now())
    return Invoice.objects.get(tenant=tenant)


def sales(standin: StripeStandIn) -> list[tuple[str, int, int]]:
    """Return what was recorded there: its kind, and its lines' sums."""
    account = standin.engine.account
    rows = account.rows["tax.transaction"].values()
    found = []
    for row in rows:
        lines = account.lines[row["id"]]
        sums = [sum(line[name] for line in lines) for name in ("amount", "amount_tax")]
        found.append((row["type"], sums[0], sums[1]))
    return found


def test_it_is_paid_with_its_tax_and_the_sale_is_recorded_once(
    standin: StripeStandIn,
) -> None:
    tenant = located()
    invoice = paid(standin, tenant)
    assert (invoice.state, invoice.amount_minor, invoice.tax_minor) == (
        "paid",
        11_900,
        1_900,
    )
    tax = InvoiceLine.objects.get(invoice=invoice, kind="tax")
    assert tax.description == "VAT 19 %, DE, computed by Stripe"
    assert rebuilt_lines(invoice).sha256 == invoice.lines_sha256
    whole = {"cash": 119 * UNIT, "tax": -19 * UNIT, "wallet": -100 * UNIT}
    assert books(tenant) == whole
    assert sales(standin) == []
    assert tell_all(now=database_now()) == 1
    assert tell_all(now=database_now() + MINUTE) == 0
    assert sales(standin) == [("transaction", 10_000, 1_900)]
    [there] = standin.engine.account.rows["tax.transaction"].values()
    assert there["reference"] == str(invoice.public_id)
    assert Outgoing.objects.get().reference == there["id"]


def test_by_rule_and_method_it_is_the_same(standin: StripeStandIn) -> None:
    tenant = located(**NEW_YORK)
    store_card(standin, tenant, VISA)
    ask_top_up(tenant=tenant, amount_minor=10_000, now=database_now())
    advancing.advance_purchases(now=database_now())
    invoice = Invoice.objects.get()
    lines = InvoiceLine.objects.filter(invoice=invoice, kind="tax")
    assert sorted(lines.values_list("amount_minor", flat=True)) == [400, 488]
    [payment] = standin.engine.account.rows["payment_intent"].values()
    assert payment["amount_received"] == 10_888
    tell_all(now=database_now())
    assert sales(standin) == [("transaction", 10_000, 888)]


@pytest.mark.parametrize("kind", ["drop_before", "commit_then_drop", "commit_then_500"])
@pytest.mark.parametrize("path", ["/v1/tax/calculations", RECORD])
def test_an_answer_that_is_lost_records_no_second_sale(
    standin: StripeStandIn, kind: str, path: str
) -> None:
    tenant = located()
    standin.plan(kind, method="POST", path=path)
    row = asked(tenant)
    for minutes in (2, 4, 6):
        row = again(row, minutes * MINUTE)
    pay_on_page(standin, row.session)
    again(row, 15 * MINUTE)
    for minutes in (20, 90, 180):
        tell_all(now=database_now() + minutes * MINUTE)
    assert sales(standin) == [("transaction", 10_000, 1_900)]
    assert Outgoing.objects.get().state == "told"
    assert CreditGrant.objects.get().amount_picos == 100 * UNIT


def test_a_worker_that_dies_before_it_noted_the_calculation_asks_the_same(
    standin: StripeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metering.collection.buying import calculating  # noqa: PLC0415

    def die(**_: Any) -> None:
        raise SystemExit

    tenant = located()
    with monkeypatch.context() as patch:
        patch.setattr(calculating, "freeze", die)
        with pytest.raises(SystemExit):
            asked(tenant)
    row = again(Purchase.objects.get(), MINUTE)
    assert (row.state, row.total_minor) == ("open", 11_900)
    assert len(standin.engine.account.rows["tax.calculation"]) == 1


def test_without_a_place_nothing_is_sold_and_it_says_what_to_give(
    standin: StripeStandIn,
) -> None:
    tenant = prepaid(currency="USD")
    row = asked(tenant)
    assert row.state == "failed"
    assert "give its billing profile a country" in row.problem
    assert not standin.engine.account.rows["checkout.session"]
    assert not undone().exists()
    # With one, it is sold.
    set_billing_profile(tenant=tenant, country="DE", address="A 1\n10115 Berlin")
    assert asked(tenant).total_minor == 11_900


def test_what_does_not_add_up_sells_nothing(
    standin: StripeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.standins.stripe.world import tax_calculations  # noqa: PLC0415

    summed = tax_calculations._summed

    def less(parts: Any) -> Any:
        return [{**row, "amount": row["amount"] - 1} for row in summed(parts)]

    monkeypatch.setattr(tax_calculations, "_summed", less)
    row = asked(located())
    assert row.state == "failed"
    assert "does not add up" in row.problem
    assert not undone().exists()
    assert TopUp.objects.get().state == "failed"


@pytest.mark.parametrize("first", [2_500, None])
def test_a_note_takes_its_tax_back_there_to_the_cent(
    standin: StripeStandIn, first: int | None
) -> None:
    tenant = located(**NEW_YORK)
    invoice = paid(standin, tenant, 9_999)
    lines = {1: first} if first else None
    for number, wanted in enumerate([lines, None][: 2 if first else 1]):
        issue_credit_note(
            invoice=invoice,
            wanted=Wanted("Not wanted.", f"ticket {number}", wanted, "paid_back"),
            now=database_now(),
        )
    # In any order: the sale waits for nothing, and what undoes it for the sale.
    rows = Outgoing.objects.order_by("-pk")
    assert {row.kind for row in rows} == {"tax_sale", "tax_reversal", "refund"}
    for minutes in (0, 2, 4, 70):
        tell_all(now=database_now() + minutes * MINUTE)
    assert not Outgoing.objects.exclude(state="told").exists()
    back = [(net, tax) for kind, net, tax in sales(standin) if kind == "reversal"]
    notes = CreditNote.objects.order_by("pk")
    assert sorted(back) == sorted(
        (-(note.amount_minor - note.tax_minor), -note.tax_minor) for note in notes
    )
    # 9,999 at 4 and 4.875 % is 400 and 487.
    assert [sum(part) for part in zip(*back, strict=True)] == [-9_999, -887]
    assert books(tenant) == {}
    [payment] = standin.engine.account.rows["payment_intent"].values()
    refunds = standin.engine.account.rows["refund"].values()
    assert sum(row["amount"] for row in refunds) == payment["amount_received"]


def test_a_sale_that_was_quoted_too_long_ago_waits_and_says_why(
    standin: StripeStandIn,
) -> None:
    tenant = located()
    paid(standin, tenant)
    standin.advance(91 * 86_400)
    tell_all(now=database_now())
    row = Outgoing.objects.get()
    assert (row.state, "expired" in row.problem) == ("waiting", True)
    assert ProviderOperation.objects.get(name="tax_sale").state == "failed"


def test_a_sale_whose_name_was_never_answered_is_taken_back_by_hand(
    standin: StripeStandIn,
) -> None:
    invoice = paid(standin, located())
    standin.plan("commit_then_500", method="POST", path=RECORD)
    wanted = Wanted("Not wanted.", "ticket", None, "paid_back")
    for minutes in (0, 2, 70, 140):
        tell_all(now=database_now() + minutes * MINUTE)
    issue_credit_note(invoice=invoice, wanted=wanted, now=database_now())
    tell_all(now=database_now() + 150 * MINUTE)
    rows = {row.kind: row for row in Outgoing.objects.all()}
    assert rows["tax_sale"].state == rows["refund"].state == "told"
    assert rows["tax_reversal"].state == "waiting"
    assert f"its sale is there as {invoice.public_id}" in rows["tax_reversal"].problem


def test_a_refusal_for_another_reason_is_no_sale(
    standin: StripeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(standin, located())

    def unwell(account: object, reference: str) -> None:
        raise refused(f"The reference '{reference}' cannot be looked at now.")

    # The first call is lost, so that the second may be of what is there.
    standin.plan("drop_before", method="POST", path=RECORD)
    with monkeypatch.context() as patched:
        patched.setattr(tax_calculations, "_check_reference", unwell)
        for minutes in (0, 2, 70):
            tell_all(now=database_now() + minutes * MINUTE)
    assert Outgoing.objects.get().state == "waiting"
    assert sales(standin) == []
    tell_all(now=database_now() + 140 * MINUTE)
    row = Outgoing.objects.get()
    assert (row.state, row.reference[:4]) == ("told", "tax_")


def test_a_worker_that_dies_after_the_answer_knows_what_the_sale_is_called(
    standin: StripeStandIn,
) -> None:
    invoice = paid(standin, located())
    tell_all(now=database_now())
    # As if it had died before it noted that.
    Outgoing.objects.update(state="waiting", reference="", ended_at=None)
    wanted = Wanted("Not wanted.", "ticket", None, "paid_back")
    issue_credit_note(invoice=invoice, wanted=wanted, now=database_now())
    for minutes in (1, 3, 70):
        tell_all(now=database_now() + minutes * MINUTE)
    assert not Outgoing.objects.exclude(state="told").exists()
    assert sorted(kind for kind, _, _ in sales(standin)) == ["reversal", "transaction"]


def test_where_own_rates_hold_nothing_is_told_of_tax(
    standin: StripeStandIn, settings: Settings
) -> None:
    settings.STRIPE_AUTOMATIC_TAX = False
    paid(standin, located())
    assert not Outgoing.objects.exists()
