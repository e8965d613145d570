"""Documents of invoices, called as the document says."""

from typing import Any

from django.test import Client

from metering.billing.services import issue_invoice
from metering.documents.services import make_documents
from metering.usage.selectors import database_now
from tests.api.calling import Caller, taken
from tests.factories.billing import make_draft


def call_documents(call: Caller) -> None:
    """Fetch an issued invoice in both forms."""
    now = database_now()
    invoice = issue_invoice(invoice=make_draft(), now=now)
    make_documents(now=now)
    (day, *_) = call("explain_line", invoice.pk, 1)["days"]
    assert call("explain_day", invoice.pk, 1, query=f"date={day['date']}")["adds_up"]
    assert invoice.number in call("download_invoice_html", invoice.pk)
    assert call("download_invoice_pdf", invoice.pk).startswith("%PDF-")


def refused_documents(operator: Client) -> dict[str, Any]:
    """Fetch what is not issued yet."""
    draft = make_draft().pk
    return {
        f"download_invoice_{form}": taken(operator, f"download_invoice_{form}", draft)
        for form in ("html", "pdf")
    }
