"""Finance's pages of receivables: a fact is written once, by the invoice's number."""

from typing import Any

import pytest
from django.test import Client

from metering.billing.models import Invoice
from metering.receivables.models import CreditNote, Hold, Payment, Refund, WriteOff
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.receivables import make_invoice

PAYMENT, NOTE = "receivables_payment", "receivables_creditnote"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


@pytest.fixture
def invoice(operator_db: None) -> Invoice:
    """Provide an issued invoice over 142.80."""
    return make_invoice()


def add(admin: Client, name: str, invoice: Invoice, **said: str) -> Any:
    """Fill in the form of a new fact."""
    return admin.post(page(name, "add"), {"invoice": invoice.number, **said})


def paid(admin: Client, invoice: Invoice, minor: str, **said: str) -> Any:
    """Record a payment."""
    at = {"received_at_0": "2026-10-05", "received_at_1": "09:00:00"}
    terms = {"amount_minor": minor, "method": "transfer", "reference": "4711"}
    return add(admin, PAYMENT, invoice, **terms, **at, **said)


def test_a_payment_is_recorded_and_given_back(admin: Client, invoice: Invoice) -> None:
    refused = paid(admin, invoice, "20000")
    assert "142.80 EUR is unpaid" in words(refused.content)
    assert paid(admin, invoice, "20000", excess="credit").status_code == 302
    row = Payment.objects.get()
    assert "200.00 EUR" in words(admin.get(page(PAYMENT, "changelist")).content)
    assert admin.get(page(PAYMENT, "change", row.pk)).status_code == 200
    address = action(PAYMENT, "refund", row.pk)
    dialog = words(admin.get(address).content)
    assert "142.80 EUR is left of it" in dialog
    confirm(
        admin,
        address,
        amount_minor="80",
        outlet="paid_back",
        reference="back",
        reason="Asked for.",
    )
    assert Refund.objects.filter(outlet="paid_back").get().amount_minor == 80
    invoice.refresh_from_db()
    assert (invoice.state, invoice.paid_minor) == ("open", 14_200)


def test_a_note_is_issued_of_lines_and_of_the_rest(
    admin: Client, invoice: Invoice
) -> None:
    wrong = add(admin, NOTE, invoice, lines="1:5", reason="No.", reference="a")
    assert "Give pairs such as" in words(wrong.content)
    add(admin, NOTE, invoice, lines="1=1000 2=500", reason="No.", reference="a")
    row = CreditNote.objects.get()
    assert (row.amount_minor, row.tax_minor) == (1_785, 285)
    assert row.number in words(admin.get(page(NOTE, "changelist")).content)
    assert admin.get(page(NOTE, "change", row.pk)).status_code == 200
    add(admin, NOTE, invoice, lines="", reason="No.", reference="b")
    invoice.refresh_from_db()
    assert invoice.state == "void"


def test_an_invoice_is_held_released_and_given_up(
    admin: Client, invoice: Invoice
) -> None:
    add(admin, "receivables_hold", invoice, kind="dispute", reason="No.")
    row = Hold.objects.get()
    assert admin.get(page("receivables_hold", "change", row.pk)).status_code == 200
    confirm(admin, action("receivables_hold", "release", row.pk))
    row.refresh_from_db()
    assert row.ended_at is not None
    add(admin, "receivables_writeoff", invoice, reason="Gone.")
    given_up = WriteOff.objects.get()
    assert given_up.amount_minor == 14_280
    assert "142.80 EUR" in words(
        admin.get(page("receivables_writeoff", "changelist")).content
    )
    wrong = admin.post(
        page("receivables_writeoff", "add"), {"invoice": "T-0", "reason": "No."}
    )
    assert "There is no such invoice" in words(wrong.content)


@pytest.mark.parametrize(
    ("act", "form"),
    [
        ("credit", NOTE),
        ("record_payment", PAYMENT),
        ("hold", "receivables_hold"),
        ("write_off", "receivables_writeoff"),
    ],
)
def test_an_invoice_leads_to_what_may_happen_to_it(
    admin: Client, invoice: Invoice, act: str, form: str
) -> None:
    own = page("billing_invoice", "change", invoice.pk)
    way = action("billing_invoice", act, invoice.pk)
    assert way in admin.get(own).content.decode()
    there = admin.get(way)
    assert there["Location"] == f"{page(form, 'add')}?invoice={invoice.number}"
    shown = admin.get(there["Location"]).content
    assert f'value="{invoice.number}"' in shown.decode()
    assert "142.80 EUR asked for, 0.00 EUR paid" in words(shown)
    assert "142.80 EUR open." in words(shown)


def test_a_note_is_told_what_is_left_of_each_line(
    admin: Client, invoice: Invoice
) -> None:
    address = f"{page(NOTE, 'add')}?invoice={invoice.number}"
    assert "Left before tax: 1=" in words(admin.get(address).content)
    add(admin, NOTE, invoice, lines="1=1000", reason="No.", reference="a")
    left = invoice.lines.get(position=1).amount_minor - 1000
    assert f"Left before tax: 1={left} " in words(admin.get(address).content)
