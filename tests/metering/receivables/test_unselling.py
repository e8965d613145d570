"""Top-ups that are not paid, or go back: their credit, their tax and their money."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.billing.services import issue_invoice
from metering.ledger.models import CreditGrant
from metering.receivables import services
from metering.receivables.models import CreditNote, Payment, Refund
from metering.receivables.services import Wanted
from metering.taxes.services import create_rate, treat_tenant
from metering.topups import services as topups
from metering.topups.models import TopUp
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.metering.ledger.test_credit import DAY, UNIT, books, prepaid, spend

pytestmark = pytest.mark.usefixtures("operator_db")
PRICE, TAX = 10_000, 1_900
TOTAL = PRICE + TAX


@pytest.fixture
def now() -> dt.datetime:
    """Provide the database's moment."""
    return database_now()


@pytest.fixture
def tenant(now: dt.datetime) -> Tenant:
    """Provide a prepaid tenant that is taxed with 19 %."""
    owner = prepaid()
    create_rate(name="VAT", country="DE", percent=Decimal(19), starts_at=now - DAY)
    treat_tenant(tenant=owner, now=now, kind="taxed", country="DE")
    return owner


@pytest.fixture
def invoice(tenant: Tenant, now: dt.datetime) -> Invoice:
    """Provide the issued invoice of a top-up of 100.00."""
    topups.ask_top_up(tenant=tenant, amount_minor=PRICE, now=now)
    topups.advance(now=now)
    return issue_invoice(invoice=Invoice.objects.get(tenant=tenant), now=now)


def pay(invoice: Invoice, now: dt.datetime, minor: int = TOTAL) -> Payment:
    """Record a payment."""
    return services.record_payment(
        invoice=invoice, amount_minor=minor, reference="paid", received_at=now, now=now
    )


def note(invoice: Invoice, now: dt.datetime, **wanted: Any) -> CreditNote:
    """Issue a credit note."""
    said = {"reason": "Not wanted.", "reference": "ticket 1", **wanted}
    return services.issue_credit_note(invoice=invoice, wanted=Wanted(**said), now=now)


def state(invoice: Invoice) -> str:
    """Return how an invoice stands."""
    return Invoice.objects.get(pk=invoice.pk).state


def test_one_that_nobody_pays_is_credited_and_leaves_nothing_in_the_books(
    invoice: Invoice, tenant: Tenant, now: dt.datetime
) -> None:
    with pytest.raises(Conflict, match="credit it instead"):
        services.write_off(invoice=invoice, reason="Gone.", now=now)
    with pytest.raises(Conflict, match="credit all of it"), atomic():
        note(invoice, now, lines={1: PRICE - 1})
    assert note(invoice, now).amount_minor == TOTAL
    assert (books(tenant), state(invoice)) == ({}, "void")
    topups.advance(now=now)
    assert TopUp.objects.get(tenant=tenant).state == "failed"
    assert topups.ask_top_up(tenant=tenant, amount_minor=PRICE, now=now).pk


@pytest.mark.parametrize("outlet", ["paid_back", "credit"])
def test_what_was_paid_of_one_goes_back_as_it_is_credited(
    invoice: Invoice, tenant: Tenant, now: dt.datetime, outlet: str
) -> None:
    pay(invoice, now, 5_000)
    with pytest.raises(InvalidRequest, match="Choose one of"):
        note(invoice, now, outlet="charge_back")
    note(invoice, now, outlet=outlet)
    kept = {"cash": 50 * UNIT, "wallet": -50 * UNIT} if outlet == "credit" else {}
    assert (books(tenant), state(invoice)) == (kept, "void")


def test_one_that_is_paid_goes_back_with_its_credit_and_tax(
    invoice: Invoice, tenant: Tenant, now: dt.datetime
) -> None:
    payment = pay(invoice, now)
    with pytest.raises(Conflict, match="credit its invoice"):
        services.refund_payment(
            payment=payment,
            amount_minor=1,
            outlet="paid_back",
            reference="back",
            reason="Asked for.",
            now=now,
        )
    with pytest.raises(InvalidRequest, match="paid_back, charge_back"):
        note(invoice, now, outlet="credit")
    part = note(invoice, now, lines={1: 2_500}, outlet="paid_back")
    assert (part.amount_minor, part.tax_minor) == (2_975, 475)
    grant = CreditGrant.objects.get()
    assert (grant.reversed_picos, grant.reversal) == (25 * UNIT, "refund")
    assert books(tenant) == {
        "cash": 119 * UNIT - 2975 * UNIT // 100,
        "tax": -19 * UNIT + 475 * UNIT // 100,
        "wallet": -75 * UNIT,
    }
    assert state(invoice) == "paid"
    note(invoice, now, reference="ticket 2", outlet="paid_back")
    assert (books(tenant), state(invoice)) == ({}, "void")
    assert TopUp.objects.get(tenant=tenant).state == "paid"


def test_what_use_has_burned_is_charged_back_but_not_refunded(
    invoice: Invoice, tenant: Tenant, now: dt.datetime
) -> None:
    pay(invoice, now)
    charge = spend(tenant)
    with pytest.raises(Conflict, match="can be taken back"), atomic():
        note(invoice, now, outlet="paid_back")
    assert not CreditNote.objects.exists()
    note(invoice, now, outlet="charge_back")
    assert Refund.objects.get().outlet == "charge_back"
    grant = CreditGrant.objects.get()
    assert (grant.reversed_picos, grant.burned_picos) == (100 * UNIT, 0)
    assert charge > 0
    assert (books(tenant), state(invoice)) == ({}, "void")
