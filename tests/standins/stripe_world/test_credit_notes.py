"""Credit notes of the stand-in, before and after the invoice was paid."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe_world.scene import customer_with, events, opened

SENT: dict[str, Any] = {"collection_method": "send_invoice", "days_until_due": 14}


def _noted(client: stripe.StripeClient, invoice: str, **params: Any) -> Any:
    asked: Any = {"invoice": invoice, **params}
    return client.v1.credit_notes.create(asked)


def _paid(client: stripe.StripeClient, *amounts: int) -> stripe.Invoice:
    customer = customer_with(client, "pm_card_visa")
    return client.v1.invoices.pay(opened(client, customer.id, *amounts).id)


def test_a_note_on_an_open_invoice_lowers_what_it_asks_for(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client, "pm_card_visa")
    invoice = opened(client, customer.id, 1000, 500)
    line = client.v1.invoices.line_items.list(invoice.id).data[0]
    asked = [{"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 400}]
    note = _noted(client, invoice.id, lines=asked, reason="order_change", memo="late")
    assert (note.number, note.type, note.total) == (
        f"{invoice.number}-CN-01",
        "pre_payment",
        400,
    )
    assert [row.invoice_line_item for row in note.lines.data] == [line.id]
    lowered = client.v1.invoices.retrieve(invoice.id, {"expand": ["payments"]})
    assert (lowered.total, lowered.amount_due, lowered.amount_remaining) == (
        1500,
        1100,
        1100,
    )
    assert lowered.payments is not None
    assert lowered.payments.data[0].amount_requested == 1100
    with pytest.raises(stripe.InvalidRequestError, match="more than can be credited"):
        _noted(client, invoice.id, lines=[{**asked[0], "amount": 601}])
    assert client.v1.credit_notes.void_credit_note(note.id).status == "void"
    assert client.v1.invoices.retrieve(invoice.id).amount_due == 1500
    assert client.v1.invoices.pay(invoice.id).amount_paid == 1500
    assert events(standin, "credit_note") == [
        "credit_note.created",
        "credit_note.voided",
    ]


def test_a_note_over_all_that_remains_settles_the_invoice(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    invoice = opened(client, customer_with(client).id, 900, **SENT)
    _noted(client, invoice.id, amount=900)
    settled = client.v1.invoices.retrieve(invoice.id)
    assert (settled.status, settled.amount_paid, settled.amount_due) == ("paid", 0, 0)
    assert settled.pre_payment_credit_notes_amount == 900
    payment = client.v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    assert payment.status == "canceled"
    assert "invoice.paid" in events(standin)


def test_what_was_paid_must_go_somewhere(client: stripe.StripeClient) -> None:
    invoice = _paid(client, 2000)
    with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment"):
        _noted(client, invoice.id, amount=600, refund_amount=100)
    note = _noted(
        client,
        invoice.id,
        amount=600,
        refund_amount=100,
        credit_amount=200,
        out_of_band_amount=300,
    )
    assert (note.type, note.post_payment_amount) == ("post_payment", 600)
    refund = client.v1.refunds.retrieve(note.refunds[0].refund)
    assert (refund.amount, refund.status) == (100, "succeeded")
    customer = client.v1.customers.retrieve(str(invoice.customer))
    assert customer.balance == -200
    moved = client.v1.customers.balance_transactions.list(customer.id).data[0]
    assert (moved.id, moved.type) == (note.customer_balance_transaction, "credit_note")
    left = client.v1.invoices.retrieve(invoice.id)
    assert (left.status, left.post_payment_credit_notes_amount) == ("paid", 600)
    with pytest.raises(stripe.InvalidRequestError, match="more than"):
        _noted(client, invoice.id, amount=1401, out_of_band_amount=1401)
    with pytest.raises(stripe.InvalidRequestError, match="only void"):
        client.v1.credit_notes.void_credit_note(note.id)


def test_a_refund_made_before_is_hung_into_a_note_once(
    client: stripe.StripeClient,
) -> None:
    invoice, other = _paid(client, 2000), _paid(client, 700)
    payments = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    intent = str(payments[0].payment.payment_intent)
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 500})
    linked = {"refunds": [{"refund": refund.id, "amount_refunded": 500}]}
    note = _noted(client, invoice.id, amount=500, **linked)
    assert note.refunds[0].refund == refund.id
    assert len(client.v1.refunds.list({"payment_intent": intent}).data) == 1
    with pytest.raises(stripe.InvalidRequestError, match="More is linked"):
        _noted(client, invoice.id, amount=500, **linked)
    with pytest.raises(stripe.InvalidRequestError, match="not of a payment"):
        _noted(client, other.id, amount=500, **linked)


def test_a_preview_issues_nothing(client: stripe.StripeClient) -> None:
    invoice = _paid(client, 2000)
    asked: Any = {
        "invoice": invoice.id,
        "lines": [
            {"type": "custom_line_item", "description": "sorry", "unit_amount": 250}
        ],
        "out_of_band_amount": 250,
    }
    preview = client.v1.credit_notes.preview(asked)
    assert [line.description for line in preview.lines.data] == ["sorry"]
    assert client.v1.credit_notes.list({"invoice": invoice.id}).data == []
    note = client.v1.credit_notes.create(asked)
    assert note.total == preview.total == 250
    lines = client.v1.credit_notes.line_items.list(note.id).data
    assert [line.unit_amount for line in lines] == [250]


def test_only_open_and_paid_invoices_can_be_credited(
    client: stripe.StripeClient,
) -> None:
    invoice = opened(client, customer_with(client).id, 900)
    client.v1.invoices.void_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="not void"):
        _noted(client, invoice.id, amount=900)
