"""A payment becomes credit once, and only the payment that was asked for."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.collection.buying.completing import complete
from metering.collection.models import Purchase
from metering.ledger.models import CreditGrant
from metering.receivables.models import Payment
from metering.taxes.services import create_rate, end_rate, treat_tenant
from metering.topups.models import TopUp
from metering.topups.services import end_unpaid
from metering.usage.selectors import database_now
from tests.metering.collection.buying.scene import paid, prepaid, quoted
from tests.metering.ledger.test_credit import DAY, UNIT, books

pytestmark = pytest.mark.usefixtures("operator_db")
# What a payment may be other than it was asked for, and what is then said.
WRONG: dict[str, dict[str, Any]] = {
    "status": {"status": "processing"},
    "amount": {"amount_minor": 1},
    "amount received": {"received_minor": 9_999},
    "currency": {"currency": "eur"},
    "customer": {"customer": "cus_2"},
    "live mode": {"is_live": True},
    "tollgate_purchase": {"metadata": {}},
}


def test_invoice_payment_and_credit_come_together() -> None:
    tenant, now = prepaid(), database_now()
    rate = create_rate(
        name="VAT", country="DE", percent=Decimal(19), starts_at=now - 900 * DAY
    )
    treat_tenant(tenant=tenant, now=now, kind="taxed", country="DE")
    purchase = quoted(tenant)
    assert (purchase.subtotal_minor, purchase.tax_minor) == (10_000, 1_900)
    # What was quoted is what is invoiced, whatever is charged by now.
    end_rate(rate=rate, ends_at=now + dt.timedelta(microseconds=1), now=now)
    done = complete(purchase=purchase, found=paid(purchase), now=database_now())
    top_up = TopUp.objects.get(pk=purchase.top_up_id)
    invoice = Invoice.objects.get()
    assert (done.state, top_up.state, invoice.state) == ("paid", "paid", "paid")
    assert (invoice.amount_minor, invoice.tax_minor) == (11_900, 1_900)
    assert invoice.lines_sha256 == purchase.lines_sha256
    assert invoice.number
    assert invoice.hosted_url
    assert top_up.invoice == invoice
    payment = Payment.objects.get()
    assert (payment.reference, payment.method) == ("stripe pi_1", "card")
    assert books(tenant) == {
        "cash": 119 * UNIT,
        "tax": -19 * UNIT,
        "wallet": -100 * UNIT,
    }


@pytest.mark.parametrize("wrong", WRONG)
def test_another_payment_buys_nothing(wrong: str) -> None:
    purchase = quoted()
    row = complete(
        purchase=purchase, found=paid(purchase, **WRONG[wrong]), now=database_now()
    )
    assert row.state == "quoted"
    assert f"{wrong} is" in row.problem
    assert not Invoice.objects.exists()
    assert not CreditGrant.objects.exists()


def test_a_payment_of_another_purchase_buys_nothing() -> None:
    one, other = quoted(), quoted()
    row = complete(purchase=one, found=paid(other), now=database_now())
    assert row.state == "quoted"
    assert "tollgate_purchase" in row.problem


@given(st.lists(st.sampled_from(["right", "right", *WRONG]), max_size=6))
def test_news_in_any_order_and_number_grants_once(news: list[str]) -> None:
    with atomic():
        purchase = quoted()
        for each in news:
            found = paid(purchase, **WRONG.get(each, {}))
            complete(purchase=purchase, found=found, now=database_now())
        was_paid = "right" in news
        of_tenant = {"tenant_id": purchase.tenant_id}
        assert CreditGrant.objects.filter(**of_tenant).count() == was_paid
        assert Payment.objects.filter(**of_tenant).count() == was_paid
        assert Invoice.objects.filter(**of_tenant).count() == was_paid
        purchase.refresh_from_db()
        assert (purchase.state == "paid") == was_paid


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_money_that_comes_after_all_is_credit(state: str) -> None:
    purchase, now = quoted(), database_now()
    end_unpaid(
        top_up=purchase.top_up, state=TopUp.State(state), problem="gone", now=now
    )
    Purchase.objects.filter(pk=purchase.pk).update(state=state, ended_at=now)
    purchase.refresh_from_db()
    # Another one is on its way by now.
    quoted(purchase.tenant, amount_minor=500)
    complete(purchase=purchase, found=paid(purchase), now=now)
    assert TopUp.objects.get(pk=purchase.top_up_id).state == "paid"
    grant = CreditGrant.objects.get()
    assert (grant.amount_picos, grant.reference) == (
        100 * UNIT,
        f"top-up {purchase.top_up_id}",
    )


def test_what_is_paid_twice_over_is_not_lost() -> None:
    tenant = prepaid()
    first, now = quoted(tenant), database_now()
    Purchase.objects.filter(pk=first.pk).update(state="failed", ended_at=now)
    again = Purchase.objects.get(pk=first.pk)
    again.pk, again.public_id = None, "0199d2f0-0000-7000-8000-000000000001"
    again.state, again.quoted_at, again.total_minor = "asked", None, 0
    again.subtotal_minor = again.tax_minor = 0
    again.save(force_insert=True)
    Purchase.objects.filter(pk=again.pk).update(
        state="quoted",
        quoted_at=now,
        subtotal_minor=first.subtotal_minor,
        total_minor=first.total_minor,
        basis=first.basis,
        lines_sha256=first.lines_sha256,
    )
    first.refresh_from_db()
    again.refresh_from_db()
    complete(purchase=first, found=paid(first), now=now)
    complete(purchase=again, found=paid(again, reference="pi_2"), now=now)
    assert Invoice.objects.filter(tenant=tenant).count() == 1
    assert sum(each.amount_picos for each in CreditGrant.objects.all()) == 200 * UNIT
