"""Operators' pages of metering load, search, and write nothing but what they must."""

import pytest
from django.db.models import Model
from django.test import Client

from metering.billing.models import (
    BillingProfile,
    Invoice,
    Period,
    ProviderCustomer,
    ProviderOperation,
    Seller,
)
from metering.billing.services import issue_invoice
from metering.ledger.models import Account, Entry, Transaction
from metering.usage.models import Epoch
from tests.admin import page, signed_in, submit, words
from tests.factories.billing import CLOSED, make_draft

READ_ONLY: dict[str, type[Model]] = {
    "usage_epoch": Epoch,
    "ledger_account": Account,
    "ledger_transaction": Transaction,
    "ledger_entry": Entry,
    "billing_invoice": Invoice,
    "billing_period": Period,
    "billing_provideroperation": ProviderOperation,
    "billing_providercustomer": ProviderCustomer,
}


def first(model: type[Model]) -> Model:
    """Return a row of the model; each has one."""
    return model._default_manager.all()[:1].get()


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


@pytest.fixture
def invoice(operator_db: None) -> Invoice:
    """Provide an issued invoice, and a row of everything behind it."""
    invoice = make_draft()
    issue_invoice(invoice=invoice, now=CLOSED)
    invoice.refresh_from_db()
    ProviderCustomer.objects.create(
        tenant=invoice.tenant, provider="stripe", reference="cus_1"
    )
    ProviderOperation.objects.create(
        tenant=invoice.tenant,
        invoice=invoice,
        provider="stripe",
        name="finalize",
        subject="in_1",
        attempt=1,
        state=ProviderOperation.State.UNKNOWN,
        error="The connection was lost.",
    )
    return invoice


def test_pages_load_and_search(admin: Client, invoice: Invoice) -> None:
    for model, rows in READ_ONLY.items():
        for address in (
            page(model, "changelist"),
            page(model, "changelist") + "?q=1",
            page(model, "change", first(rows).pk),
        ):
            assert admin.get(address).status_code == 200, address


def test_nothing_is_added_changed_or_deleted(admin: Client, invoice: Invoice) -> None:
    for model, rows in READ_ONLY.items():
        before = list(rows._default_manager.values_list())
        pk = first(rows).pk
        for address in (
            page(model, "add"),
            page(model, "change", pk),
            page(model, "delete", pk),
        ):
            response = admin.post(address, {"post": "yes"})
            assert response.status_code == 403, address
        assert list(rows._default_manager.values_list()) == before


def test_an_invoice_shows_its_lines_and_the_way_to_its_page(
    admin: Client, invoice: Invoice
) -> None:
    content = admin.get(page("billing_invoice", "change", invoice.pk)).content
    (*_, line) = invoice.lines.all()

    assert line.description in words(content)
    assert f"/finance/invoices/{invoice.public_id}/" in content.decode()


def test_an_operation_shows_its_state_age_and_error(
    admin: Client, invoice: Invoice
) -> None:
    listed = words(admin.get(page("billing_provideroperation", "changelist")).content)

    assert "unknown" in listed
    assert "The connection was lost." in listed
    assert "minutes" in listed


def test_an_account_shows_its_exact_balance(admin: Client, invoice: Invoice) -> None:
    account = Account.objects.get(kind=Account.Kind.REVENUE)
    (booked,) = Entry.objects.filter(account=account, amount_picos__lt=0)[:1]
    content = words(admin.get(page("ledger_account", "change", account.pk)).content)

    assert f"{account.currency}" in content
    assert booked.amount_picos < 0
    assert "-0.00" in content


def test_debits_and_credits_stand_apart(admin: Client, invoice: Invoice) -> None:
    transaction = Transaction.objects.get(kind=Transaction.Kind.INVOICE)
    content = words(
        admin.get(page("ledger_transaction", "change", transaction.pk)).content
    )

    assert "Debit Credit" in content
    assert str(invoice.public_id) in content


def test_a_seller_says_where_it_is_and_keeps_its_counter(
    admin: Client, invoice: Invoice
) -> None:
    seller = Seller.objects.get()
    said = {"address": "Example Street 1", "country": "DE", "footer": "Thank you."}
    address = page("billing_seller", "change", seller.pk)
    response = submit(admin, address, {**said, "last_number": 7})
    assert response.status_code == 302, words(response.content)
    seller.refresh_from_db()
    assert {name: getattr(seller, name) for name in said} == said
    assert seller.last_number == 1
    assert admin.get(page("billing_seller", "add")).status_code == 403


def test_a_tenant_gets_a_billing_profile(admin: Client, invoice: Invoice) -> None:
    said = {"tenant": invoice.tenant_id, "legal_name": "Acme Ltd", "country": "GB"}
    response = admin.post(page("billing_billingprofile", "add"), said)
    assert response.status_code == 302, words(response.content)
    address = page("billing_billingprofile", "change", invoice.tenant_id)
    assert submit(admin, address, {"legal_name": "Acme plc"}).status_code == 302
    profile = BillingProfile.objects.get()
    assert (profile.legal_name, profile.country) == ("Acme plc", "GB")
