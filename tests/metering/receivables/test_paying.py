"""Money for invoices: in parts, too much, back again, and never twice."""

import datetime as dt
from typing import Any

import pytest
from django.db import Error

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.billing.paid import invoice_paid
from metering.ledger.models import Account, CreditGrant
from metering.receivables import services
from metering.receivables.models import Payment, Refund, WriteOff
from tests.factories.billing import make_draft
from tests.factories.receivables import (
    ISSUED,
    make_invoice,
    receivable_minor,
    standing_on,
)

pytestmark = pytest.mark.usefixtures("operator_db")
NOW = ISSUED + dt.timedelta(days=3)
TOTAL = 14_280


@pytest.fixture
def invoice() -> Invoice:
    """Provide an issued invoice over 142.80."""
    return make_invoice()


def pay(invoice: Invoice, minor: int = TOTAL, **changes: Any) -> Payment:
    """Record a payment."""
    terms: Any = {"reference": "transfer 1", "received_at": NOW, **changes}
    return services.record_payment(
        invoice=invoice, now=NOW, amount_minor=minor, **terms
    )


def back(payment: Payment, minor: int, **changes: Any) -> Refund:
    """Give a part of a payment back."""
    terms: Any = {"outlet": "paid_back", "reference": "back 1", "reason": "Asked for."}
    return services.refund_payment(
        payment=payment, now=NOW, **{**terms, "amount_minor": minor, **changes}
    )


def stands(invoice: Invoice) -> tuple[str, int, int]:
    """Return the state, what was paid, and what the ledger says is open."""
    invoice.refresh_from_db()
    return invoice.state, invoice.paid_minor, receivable_minor(invoice.tenant)


def test_a_payment_settles_an_invoice_and_says_so_once(invoice: Invoice) -> None:
    told: list[int] = []

    def hear(invoice: Invoice, **_: Any) -> None:
        told.append(invoice.pk)

    invoice_paid.connect(hear)
    try:
        pay(invoice, 10_000)
        assert told == []
        pay(invoice, 4_280, reference="transfer 2")
    finally:
        invoice_paid.disconnect(hear)
    assert told == [invoice.pk]
    assert stands(invoice) == ("paid", TOTAL, 0)
    assert standing_on(invoice.tenant, Account.Kind.CASH) == TOTAL


def test_the_same_payment_again_is_the_same_one(invoice: Invoice) -> None:
    first = pay(invoice, 100)
    assert pay(invoice, 100) == first
    assert stands(invoice) == ("open", 100, TOTAL - 100)
    with pytest.raises(Conflict, match="Another payment"):
        pay(invoice, 101)
    with pytest.raises(Conflict, match="Another payment"):
        pay(make_invoice(tenant=invoice.tenant), 100)


def test_too_much_is_refused_until_it_is_said_where_it_goes(invoice: Invoice) -> None:
    with pytest.raises(Conflict, match=r"142\.80 EUR is unpaid: say by excess"):
        pay(invoice, TOTAL + 1)
    assert not Payment.objects.exists()
    pay(invoice, TOTAL + 720, excess="credit")
    (grant,) = CreditGrant.objects.all()
    assert (grant.source, grant.amount_picos) == ("top_up", 7_200_000_000_000)
    assert stands(invoice) == ("paid", TOTAL, 0)
    assert standing_on(invoice.tenant, Account.Kind.CASH) == TOTAL + 720
    assert standing_on(invoice.tenant, Account.Kind.WALLET) == -720


def test_too_much_is_paid_back(invoice: Invoice) -> None:
    pay(invoice, TOTAL + 720, excess="paid_back")
    assert stands(invoice) == ("paid", TOTAL, 0)
    assert standing_on(invoice.tenant, Account.Kind.CASH) == TOTAL
    assert not CreditGrant.objects.exists()
    # A second transfer for what is paid already is all too much.
    pay(invoice, 50, reference="transfer 2", excess="paid_back")
    assert stands(invoice) == ("paid", TOTAL, 0)


def test_a_refund_opens_the_invoice_again(invoice: Invoice) -> None:
    payment = pay(invoice)
    first = back(payment, 280)
    assert back(payment, 280) == first
    assert stands(invoice) == ("open", 14_000, 280)
    with pytest.raises(Conflict, match=r"140\.00 EUR is left"):
        back(payment, 14_001, reference="back 2")
    with pytest.raises(Conflict, match="Another refund"):
        back(payment, 281)
    back(payment, 14_000, reference="returned", outlet="charge_back")
    assert stands(invoice) == ("open", 0, TOTAL)


def test_what_is_given_up_comes_back_with_the_money(invoice: Invoice) -> None:
    pay(invoice, 280)
    written: Any = {"invoice": invoice, "reason": "Insolvent.", "now": NOW}
    services.write_off(**written)
    services.write_off(**written)
    assert stands(invoice) == ("uncollectible", 280, 0)
    assert standing_on(invoice.tenant, Account.Kind.BAD_DEBT) == 14_000
    assert WriteOff.objects.count() == 1
    pay(invoice, 4_000, reference="quota")
    assert stands(invoice) == ("uncollectible", 4_280, 0)
    assert standing_on(invoice.tenant, Account.Kind.BAD_DEBT) == 10_000
    pay(invoice, 10_500, reference="the rest", excess="credit")
    assert stands(invoice) == ("paid", TOTAL, 0)
    assert standing_on(invoice.tenant, Account.Kind.BAD_DEBT) == 0


@pytest.mark.parametrize(
    ("minor", "changes", "param"),
    [
        (0, {}, "amount_minor"),
        (-5, {}, "amount_minor"),
        (5, {"reference": ""}, "reference"),
        (5, {"reference": "a\0b"}, "reference"),
        (5, {"method": "shells"}, "method"),
        (5, {"received_at": NOW + dt.timedelta(seconds=1)}, "received_at"),
        (5, {"excess": "charge_back"}, "excess"),
    ],
)
def test_a_payment_that_makes_no_sense_leaves_nothing(
    invoice: Invoice, minor: int, changes: Any, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        pay(invoice, minor, **changes)
    assert refused.value.param == param
    assert not Payment.objects.exists()
    assert stands(invoice) == ("open", 0, TOTAL)


def test_a_draft_asks_for_nothing_and_what_is_settled_is_not_given_up(
    invoice: Invoice,
) -> None:
    draft = make_draft()
    with pytest.raises(Conflict, match="draft"):
        pay(draft, 1)
    pay(invoice)
    with pytest.raises(Conflict, match="nothing is open"):
        services.write_off(invoice=invoice, reason="No.", now=NOW)
    held: Any = {"invoice": invoice, "kind": "dispute", "reason": "No.", "now": NOW}
    with pytest.raises(Conflict, match="nothing is open"):
        services.hold_invoice(**held)


def test_money_of_a_top_up_goes_back_with_its_credit() -> None:
    payment = pay(make_invoice(kind="top_up", period=None))
    with pytest.raises(Conflict, match="credit its invoice"):
        back(payment, 100)


def test_a_hold_is_one_at_a_time_and_ends(invoice: Invoice) -> None:
    said: Any = {"invoice": invoice, "kind": "dispute", "reason": "No.", "now": NOW}
    hold = services.hold_invoice(**said)
    assert services.hold_invoice(**{**said, "kind": "pause"}) == hold
    services.release_invoice(invoice=invoice, now=NOW)
    services.release_invoice(invoice=invoice, now=NOW)
    assert services.hold_invoice(**said) != hold


def test_what_happened_is_not_changed(invoice: Invoice) -> None:
    back(pay(invoice), 10)
    for model in (Payment, Refund):
        rows: Any = model._default_manager.all()
        with pytest.raises(Error, match="permission denied"), atomic():
            rows.update(amount_minor=1)


def test_references_that_we_write_ourselves_are_not_taken(invoice: Invoice) -> None:
    payment = pay(invoice, 100)
    for ours in (f"excess of payment {payment.pk + 1}", "CN-2026-000001 of payment 7"):
        with pytest.raises(InvalidRequest, match="ourselves"):
            back(payment, 1, reference=ours)
    assert pay(invoice, TOTAL, reference="transfer 2", excess="paid_back").pk
