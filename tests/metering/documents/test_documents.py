"""Documents: what their readers read, that they are made once, and that they last."""

import contextlib
import datetime as dt
import hashlib
import io
import itertools
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.utils import InternalError, OperationalError, ProgrammingError
from pypdf import PdfReader

from kit.contracts import TokenCounts
from kit.orm.roles import OPERATOR
from metering.billing.models import BillingProfile, Invoice, Seller
from metering.billing.services import issue_invoice
from metering.documents import invoices, services
from metering.documents.models import Attempt, Document
from metering.documents.paper import Paper, Party, Sum
from metering.documents.rendering import html_of, pdf_of
from metering.documents.selectors import document_of
from metering.documents.selectors import html_of as kept_html
from metering.receivables.services import Wanted, issue_credit_note
from tests.factories.billing import CLOSED, make_draft, make_tenant_of
from tests.factories.receivables import Kind, make_invoice

pytestmark = pytest.mark.usefixtures("operator_db")
COUNTS = TokenCounts(
    input_tokens=1_234_567, cached_input_tokens=1_111_111, output_tokens=3
)


def text_of(pdf: bytes) -> str:
    """Return all that a PDF's reader reads, in one line."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def made(subject: Any) -> Document:
    """Make what is missing, and return a subject's document."""
    services.make_documents(now=CLOSED)
    document = document_of(subject)
    assert document is not None
    return document


@pytest.fixture
def invoice() -> Invoice:
    """Provide an issued invoice of a seller and a buyer with all their details."""
    tenant = make_tenant_of(name="acme", billing_email="pay@acme.example")
    draft = make_draft(tenant=tenant, counts=COUNTS)
    Seller.objects.filter(pk=draft.seller_id).update(
        address="Hafenstrasse 12\n20457 Hamburg",
        country="DE",
        tax_id="DE811234567",
        bank_details="IBAN DE02 1203 0000 0000 2020 51",
        footer='Registered in "Hamburg"</style>',
    )
    BillingProfile.objects.create(
        tenant=tenant,
        legal_name="Acme <Research> Ltd",
        address="7 Kingfisher Court\nCambridge",
        country="GB",
        tax_id="GB123456789",
        po_number="PO-7781",
    )
    issued = issue_invoice(invoice=draft, now=CLOSED)
    issued.refresh_from_db()
    return issued


def test_the_pdf_says_who_what_and_how_much(invoice: Invoice) -> None:
    said = text_of(bytes(made(invoice).pdf))

    for words in (
        f"Invoice {invoice.number}",
        "Acme <Research> Ltd 7 Kingfisher Court Cambridge GB Tax id GB123456789",
        "Hafenstrasse 12 20457 Hamburg DE Tax id DE811234567",
        "2026-10-02",
        "Please pay by 2026-10-16",
        "2026-09-01 to 2026-09-30",
        "PO-7781",
        "demo-model input tokens 1,234,567 3.00 3.70",
        "demo-model cached input tokens 1,111,111 0.30 0.33",
        "demo-model output tokens 3 15.00 0.00",
        "Total due 4.03 USD",
        "IBAN DE02 1203 0000 0000 2020 51",
        f"Reference: {invoice.number}",
        'Registered in "Hamburg"</style>',
        f"Invoice {invoice.number}, page 1 of 2",
        "Annex: use by day",
        "2026-09-10 demo-model input tokens 1,234,567 3.7037010",
        "Total 4.0370793",
    ):
        assert words in said, words


def test_it_is_made_once_and_stays_to_the_byte(invoice: Invoice) -> None:
    first = made(invoice)
    # What is said of them later is not said here.
    BillingProfile.objects.filter(tenant=invoice.tenant).update(legal_name="Other")
    Invoice.objects.filter(pk=invoice.pk).update(state=Invoice.State.PAID)

    assert services.make_documents(now=CLOSED + dt.timedelta(1)) == 0
    again = document_of(invoice)

    assert again is not None
    assert bytes(again.pdf) == bytes(first.pdf)
    assert hashlib.sha256(bytes(first.pdf)).hexdigest() == first.pdf_sha256
    assert hashlib.sha256(kept_html(first)).hexdigest() == first.html_sha256
    assert pdf_of(kept_html(first), at=CLOSED) == bytes(first.pdf)


def test_two_makers_make_one(invoice: Invoice) -> None:
    paper = invoices.paper_of(invoice)
    is_new = [
        services.make_document(Document.Kind.INVOICE, invoice, paper, now=CLOSED)
        for _ in range(2)
    ]

    assert is_new == [True, False]
    assert Document.objects.filter(subject_id=invoice.pk).count() == 1


def test_no_document_is_ever_changed(invoice: Invoice) -> None:
    pk = made(invoice).pk
    refused = (InternalError, OperationalError, ProgrammingError)
    for statement in ("UPDATE documents_document SET number = 'x'", "DELETE FROM"):
        sql = statement if "SET" in statement else f"{statement} documents_document"
        with pytest.raises(refused), transaction.atomic(using=OPERATOR):
            connections[OPERATOR].cursor().execute(f"{sql} WHERE id = %s", [pk])


def test_lines_of_every_kind_and_their_sums() -> None:
    invoice = make_invoice(
        (
            (Kind.COMPONENT, 10_000),
            (Kind.FEE, 5_000),
            (Kind.DISCOUNT, -3_000),
            (Kind.CREDIT, -2_000),
            (Kind.TAX, 1_900),
        )
    )
    said = text_of(bytes(made(invoice).pdf))

    assert "component 1 100.00 fee 2 50.00 discount 3 -30.00" in said
    assert "Subtotal 120.00 credit 4 -20.00 tax 5 19.00 Total due 119.00 EUR" in said
    assert "Annex" not in said


def test_why_there_is_no_tax_is_said() -> None:
    basis = {"tax": {"kind": "reverse_charge", "note": "Reverse charge.", "rates": []}}
    said = text_of(bytes(made(make_invoice(((Kind.FEE, 5_000),), basis=basis)).pdf))

    assert "Total due 50.00 EUR Reverse charge." in said


def test_what_credit_paid_asks_for_nothing() -> None:
    invoice = make_invoice(((Kind.FEE, 5_000), (Kind.CREDIT, -5_000)))
    said = text_of(bytes(made(invoice).pdf))

    assert "Nothing is due" in said
    assert "Please pay" not in said


def test_a_credit_note_names_its_invoice_and_why() -> None:
    invoice = make_invoice()
    wanted = Wanted(reason="Charged twice.", reference="ticket 1", lines=None)
    note = issue_credit_note(invoice=invoice, wanted=wanted, now=CLOSED)
    said = text_of(bytes(made(note).pdf))

    assert f"Credit note {note.number}" in said
    assert str(invoice.number) in said
    assert "Charged twice." in said
    assert "Total credited 142.80 EUR" in said


def test_one_that_fails_holds_up_no_other(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_invoice()
    paper_of = invoices.paper_of

    def broken(subject: Invoice) -> Paper:
        if subject.pk == invoice.pk:
            raise RuntimeError
        return paper_of(subject)

    with monkeypatch.context() as patch:
        patch.setattr(invoices, "paper_of", broken)
        services.make_documents(now=CLOSED)

    assert document_of(invoice) is None
    assert document_of(other) is not None
    services.make_documents(now=CLOSED + dt.timedelta(seconds=59))
    assert document_of(invoice) is None
    services.make_documents(now=CLOSED + dt.timedelta(minutes=1))
    assert document_of(invoice) is not None
    assert not Attempt.objects.exists()


class Killed(BaseException):
    """What no handler of the product catches, as a kill is."""


@pytest.mark.parametrize("end", [RuntimeError, Killed])
def test_those_that_always_fail_hold_back_nothing_newer(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    newer = make_invoice()
    paper_of = invoices.paper_of
    tried = 0

    def broken(subject: Invoice) -> Paper:
        nonlocal tried
        if subject.pk == invoice.pk:
            tried += 1
            raise end
        return paper_of(subject)

    monkeypatch.setattr(services, "BATCH", 1)
    monkeypatch.setattr(invoices, "paper_of", broken)
    for minute in range(60):
        with contextlib.suppress(Killed):
            services.make_documents(now=CLOSED + dt.timedelta(minutes=minute))

    assert document_of(newer) is not None
    # At once, and then after 1, 5 and 30 minutes.
    assert tried == 4


def test_no_document_is_begun_once_its_task_has_run_for_minutes() -> None:
    make_invoice()
    make_invoice()
    clock = itertools.count(0, 200)

    assert services.make_documents(now=CLOSED, seconds=lambda: next(clock)) == 1
    assert services.make_documents(now=CLOSED) == 1


def test_a_long_invoice_goes_on_over_pages_with_its_head() -> None:
    lines = tuple((Kind.FEE, 100 + number) for number in range(80))
    pages = PdfReader(io.BytesIO(bytes(made(make_invoice(lines)).pdf))).pages

    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        said = page.extract_text()
        assert f"page {number} of {len(pages)}" in said
    assert "Description" in pages[1].extract_text()


def test_nothing_is_fetched_for_a_page() -> None:
    """What people write is text: no picture, no font, no style of their own."""
    paper = Paper(
        title="Invoice",
        number="T-1",
        seller=Party('<img src="http://127.0.0.1:1/x.png">', ()),
        buyer=Party("B", ()),
        facts=(),
        currency="EUR",
        headline="",
        amount="",
        instruction="",
        lines=(),
        sums=(),
        total=Sum("Total", "0.00"),
        notes=(),
        payment=(),
        footer='"; } body { display: none } "',
    )
    html = html_of(paper)

    assert b"<img" not in html
    assert '<img src="http://127.0.0.1:1/x.png">' in text_of(pdf_of(html, at=CLOSED))
