"""The printable invoice: its stored lines, exactly, and what a draft is not."""

from decimal import Decimal

import pytest
from django.test import Client

from kit.contracts import TokenCounts
from metering.billing.models import Invoice
from metering.billing.services import issue_invoice
from metering.documents.services import make_documents
from tests.factories.billing import CLOSED, make_draft, make_tenant_of
from tests.pages.reading import tables, text

COUNTS = TokenCounts(
    input_tokens=1_234_567, cached_input_tokens=1_111_111, output_tokens=3
)
LINES = [
    *("demo-model", "input tokens", "1,234,567", "3.00"),
    *("3.7037010", "-0.0037010", "3.70 USD"),
    *("demo-model", "cached input tokens", "1,111,111", "0.30"),
    *("0.3333333", "-0.0033333", "0.33 USD"),
    *("demo-model", "output tokens", "3", "15.00"),
    *("0.0000450", "-0.0000450", "0.00 USD"),
]


def shown(finance: Client, invoice: Invoice) -> bytes:
    """Return the invoice's page."""
    response = finance.get(f"/finance/invoices/{invoice.public_id}/")
    assert response.status_code == 200
    return response.content


@pytest.fixture
def issued(operator_db: None) -> Invoice:
    """Provide an issued invoice of three lines."""
    tenant = make_tenant_of(name="Acme Ltd", billing_email="pay@example.com")
    invoice = make_draft(tenant=tenant, counts=COUNTS)
    issue_invoice(invoice=invoice, now=CLOSED)
    invoice.refresh_from_db()
    return invoice


def test_lines_are_shown_exactly_and_as_charged(
    finance: Client, issued: Invoice
) -> None:
    page = shown(finance, issued)

    (rows,) = tables(page).values()
    *lines, total = rows[1:]
    assert [cell for line in lines for cell in line] == LINES
    assert total == ["Total", "4.0370793", "-0.0070793", "4.03 USD"]


def test_columns_add_up_and_exact_and_rounding_are_what_is_charged(
    finance: Client, issued: Invoice
) -> None:
    (rows,) = tables(shown(finance, issued)).values()
    *lines, total = rows[1:]

    sums = [
        sum(Decimal(line[column].removesuffix(" USD")) for line in lines)
        for column in (4, 5, 6)
    ]
    assert sums == [Decimal(cell.removesuffix(" USD")) for cell in total[1:]]
    assert sums[0] + sums[1] == sums[2] == Decimal(issued.amount_minor) / 100


def test_it_says_who_owes_whom_for_when_and_until_when(
    finance: Client, issued: Invoice
) -> None:
    words = text(shown(finance, issued))

    assert f"Invoice {issued.number}" in words
    assert "Usage of 2026-09-01 to 2026-09-30" in words
    assert f"From {issued.seller.name} To Acme Ltd pay@example.com" in words
    assert "Issued 2026-10-02 Due 2026-10-16" in words
    assert "Total 4.03 USD open" in words
    assert issued.lines_sha256 in words
    assert "no invoice yet" not in words


def test_a_draft_says_that_it_is_none_and_what_holds_it(
    finance: Client, operator_db: None
) -> None:
    invoice = make_draft()
    invoice.problem = "The provider's draft differs in line 2."
    invoice.save(update_fields=["problem"])

    words = text(shown(finance, invoice))

    assert "Draft invoice" in words
    assert "This is no invoice yet" in words
    assert "It is held because: The provider's draft differs in line 2." in words
    assert "Issued not yet Due 14 days after issue" in words


def test_what_a_tenant_is_called_is_text_and_nothing_else(
    finance: Client, operator_db: None
) -> None:
    invoice = make_draft(tenant=make_tenant_of(name="<script>alert(1)</script>"))

    page = shown(finance, invoice).decode()

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_document_is_there_once_it_is_made(
    finance: Client, issued: Invoice
) -> None:
    address = f"/finance/invoices/{issued.public_id}/pdf/"
    assert address.encode() not in shown(finance, issued)
    assert finance.get(address).status_code == 404

    make_documents(now=CLOSED)

    assert address.encode() in shown(finance, issued)
    response = finance.get(address)
    assert response["Content-Type"] == "application/pdf"
    assert response.content.startswith(b"%PDF-")
