"""Documents of invoices and credit notes, and lines explained, as the document says."""

from typing import Any

from django.test import Client

from metering.billing.services import issue_invoice
from metering.documents.services import make_documents
from metering.receivables.models import CreditNote
from metering.receivables.services import Wanted, issue_credit_note
from metering.usage.selectors import database_now
from tests.api.calling import Caller, taken
from tests.factories.billing import CLOSED, make_draft
from tests.factories.receivables import make_invoice


def call_documents(call: Caller) -> None:
    """Fetch an issued invoice and a note in both forms, and explain a line."""
    now = database_now()
    invoice, note = issue_invoice(invoice=make_draft(), now=now), make_note()
    make_documents(now=now)
    (day, *_) = call("explain_line", invoice.pk, 1)["days"]
    assert call("explain_day", invoice.pk, 1, query=f"date={day['date']}")["adds_up"]
    for noun, row in (("invoice", invoice), ("credit_note", note)):
        assert row.number in call(f"download_{noun}_html", row.pk)
        assert call(f"download_{noun}_pdf", row.pk).startswith("%PDF-")


def refused_documents(operator: Client) -> dict[str, Any]:
    """Fetch what has no document yet."""
    rows = {"invoice": make_draft().pk, "credit_note": make_note().pk}
    names = [
        (f"download_{noun}_{form}", pk)
        for noun, pk in rows.items()
        for form in ("html", "pdf")
    ]
    return {name: taken(operator, name, pk) for name, pk in names}


def make_note() -> CreditNote:
    """Take all of an invoice back."""
    wanted = Wanted(reason="Charged twice.", reference="twice", lines=None)
    return issue_credit_note(invoice=make_invoice(), wanted=wanted, now=CLOSED)
