"""Operations of payments, notes and what is open, called for real, and refused."""

import datetime as dt
from typing import Any

from django.test import Client

from metering.billing.models import Invoice
from metering.receivables.dunning import follow_up
from tests.api.calling import Caller, taken
from tests.factories.receivables import make_invoice


def call_receivables(call: Caller) -> None:
    """Record, refund, credit, hold, release and give up; read all of it."""
    invoice = make_invoice().pk
    payment = call("create_payment", invoice=invoice, amount_minor=2000)["id"]
    call("list_payments", query=f"invoice={invoice}&reference=none")
    call("retrieve_payment", payment)
    call("refund_payment", payment)
    assert call("list_refunds", query=f"payment={payment}&outlet=paid_back")["data"]
    note = call("create_credit_note", invoice=invoice)["id"]
    call("list_credit_notes", query=f"invoice={invoice}")
    assert call("retrieve_credit_note", note)["lines"]
    assert call("hold_invoice", invoice)["held"] == "dispute"
    assert call("release_invoice", invoice)["held"] is None
    standing = call("standing_of_invoice", invoice)
    assert standing["open_minor"] == 14_280 - 2_000
    row = Invoice.objects.get(pk=invoice)
    assert row.due_date is not None
    midnight = dt.datetime.combine(row.due_date, dt.time(), tzinfo=dt.UTC)
    follow_up(invoice_id=row.pk, now=midnight + dt.timedelta(days=100))
    assert call("list_dunning_steps", query=f"invoice={invoice}")["data"]
    assert call("write_off_invoice", invoice)["state"] == "uncollectible"


def conflicts_of_receivables(client: Client) -> dict[str, Any]:
    """Take back more than there is, and ask for what is not open any more."""
    invoice = make_invoice().pk
    paid = taken(client, "create_payment", invoice=invoice)
    payment = paid.json()["id"]
    wrong: dict[str, Any] = {"position": 4, "amount_minor": 1}
    return {
        "create_payment": taken(
            client, "create_payment", invoice=invoice, amount_minor=1
        ),
        "refund_payment": taken(client, "refund_payment", payment, amount_minor=14_281),
        "create_credit_note": taken(
            client, "create_credit_note", invoice=invoice, lines=[wrong]
        ),
        "write_off_invoice": taken(client, "write_off_invoice", invoice),
        "hold_invoice": taken(client, "hold_invoice", invoice),
    }
