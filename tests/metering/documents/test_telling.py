"""Bills and payments are told by mail, each once, with what they say on the pages."""

import datetime as dt

import pytest
from django.core import mail
from pytest_django.fixtures import Settings

from metering.billing.models import Invoice
from metering.documents import services, telling
from metering.receivables.services import record_payment
from tenants.mails.sending import send_waiting
from tenants.models import Mail
from tests.factories.receivables import ISSUED, make_invoice
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")


@pytest.fixture
def invoice(settings: Settings) -> Invoice:
    """Provide an issued invoice with its document; mails go to Django's outbox."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com"
    tenant = make_tenant(
        currency="EUR", name="Acme Ltd", billing_email="pay@acme.example"
    )
    made = make_invoice(tenant=tenant)
    services.make_documents(now=ISSUED)
    return made


def told(now: dt.datetime = ISSUED) -> int:
    """Look for news and send what waits."""
    telling.tell(now=now)
    return send_waiting(now=now)


def test_an_issued_invoice_is_told_once_with_its_pdf(invoice: Invoice) -> None:
    assert [told(), told()] == [1, 0]
    [message] = mail.outbox
    assert message.to == ["pay@acme.example"]
    assert message.subject == (
        f"Acme Ltd: invoice {invoice.number}, 142.80 EUR, due {invoice.due_date}"
    )
    (file,) = message.attachments
    assert file[0] == f"{invoice.number}.pdf"
    assert file[1].startswith(b"%PDF-")
    page = f"/console/{invoice.tenant.slug}/billing/invoices/{invoice.public_id}/"
    assert f"https://gate.example.com{page}" in str(message.body)
    assert "Tax: 22.80 EUR" in str(message.body)


def test_a_payment_has_a_receipt_that_says_what_is_left(invoice: Invoice) -> None:
    told()
    now = dt.datetime.now(dt.UTC)
    record_payment(
        invoice=invoice,
        amount_minor=4_280,
        reference="bank 7",
        received_at=ISSUED,
        now=now,
    )
    assert [told(now), told(now)] == [1, 0]
    message = mail.outbox[-1]
    assert message.subject == f"Acme Ltd: 42.80 EUR received for invoice {invoice}"
    assert "100.00 EUR of the invoice is still open." in str(message.body)


def test_what_is_old_is_nobodys_news(invoice: Invoice) -> None:
    assert told(ISSUED + dt.timedelta(days=3)) == 0
    assert not Mail.objects.exists()


def test_nobody_to_read_it_is_said(invoice: Invoice) -> None:
    invoice.tenant.billing_email = ""
    invoice.tenant.save()
    told()
    assert Mail.objects.get().state == "no_reader"
