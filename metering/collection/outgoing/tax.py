"""Tell a provider that computed the tax on paid credit what became of that sale.

The invoice is ours, so nothing there says that it was paid: the sale is recorded from
the calculation that it was quoted by, and what a credit note takes back of it, to the
cent, from that sale.

Failure: `Differs` for what came out as another amount: people look at it. See
`telling`.
"""

import re
from typing import TYPE_CHECKING, Any

from metering.billing import operations
from metering.billing.models import Invoice
from metering.billing.operations import Call, CallRefused
from metering.billing.providers.stripe.mapping import INVOICE_MARK, in_stripes_unit
from metering.billing.taxing import TAX_SOURCE
from metering.collection.models import Outgoing
from metering.collection.outgoing.notes import NOTE_MARK
from metering.collection.outgoing.steps import Differs, Skipped, Step
from metering.receivables.models import CreditNote

if TYPE_CHECKING:
    from collections.abc import Callable

    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.taxes import RemoteSale

# Sales cannot be listed there: one whose answer was lost for good is known by its
# reference alone.
UNNAMED = "recorded"
# Stripe has no code for it.
_TAKEN = re.compile(r"\b(already|exists?|unique|in use|taken)\b", re.IGNORECASE)


def record_sale(client: "StripeAccount", step: Step) -> str:
    """Record that credit was sold with this tax; return what that is called there."""
    invoice = Invoice.objects.get(pk=step.row.invoice_id)
    source: dict[str, Any] = invoice.basis[TAX_SOURCE]
    params: dict[str, Any] = {
        "calculation": source["calculation"],
        "reference": str(invoice.public_id),
        "metadata": {INVOICE_MARK: str(invoice.public_id)},
    }
    if invoice.issued_at is not None:
        params["posted_at"] = int(invoice.issued_at.timestamp())
    call = step.call("tax_sale", str(invoice.public_id))
    made = _told_once(
        client, step, call, lambda key: client.taxes.record(params, key=key)
    )
    if made is None:
        return UNNAMED
    _compare(made, invoice, invoice.subtotal_minor, invoice.tax_minor)
    return made.reference


def undo_sale(client: "StripeAccount", step: Step) -> str:
    """Record what a credit note took back of a sale; return what that is called."""
    step.require_told(Outgoing.Kind.TAX_SALE)
    note = CreditNote.objects.select_related("invoice").get(pk=step.row.fact_id)
    sold = Outgoing.objects.filter(
        kind=Outgoing.Kind.TAX_SALE, fact_id=note.invoice_id
    ).first()
    if sold is None or not sold.reference:
        raise Skipped("Its sale was never recorded there.")
    if sold.reference == UNNAMED:
        raise Differs(
            f"its sale is there as {note.invoice.public_id}, and which transaction that"
            " is was never answered: take it back there by hand"
        )
    sale = client.taxes.sale(sold.reference)
    net = note.amount_minor - note.tax_minor
    params: dict[str, Any] = {
        "mode": "partial",
        "original_transaction": sale.reference,
        "reference": str(note.public_id),
        "line_items": [
            {
                "original_line_item": sale.lines[0],
                "reference": note.number,
                "amount": -in_stripes_unit(net, note.currency),
                "amount_tax": -in_stripes_unit(note.tax_minor, note.currency),
            }
        ],
        "metadata": {NOTE_MARK: str(note.public_id)},
    }
    call = step.call("tax_reversal", str(note.public_id))
    made = _told_once(
        client, step, call, lambda key: client.taxes.undo(params, key=key)
    )
    if made is None:
        return UNNAMED
    _compare(made, note.invoice, -net, -note.tax_minor)
    return made.reference


def _told_once(
    client: "StripeAccount",
    step: Step,
    call: Call,
    send: "Callable[[str], RemoteSale]",
) -> "RemoteSale | None":
    """Make a call; None where an earlier try of it was carried out after all.

    Its reference is taken then, and nothing tells what it made is called, unless that
    was answered, and whoever asked died before it was noted.
    """
    known = operations.answered(call)
    if known == UNNAMED:
        return None
    if known:
        return client.taxes.sale(known)
    was_tried = operations.attempted(call)
    try:
        return step.perform(call, send, lambda answer: answer.reference)
    except CallRefused as refusal:
        if not (was_tried and _is_taken(call.subject, str(refusal))):
            raise
    operations.adopt(call, reference=UNNAMED, now=step.now)
    return None


def _is_taken(reference: str, refusal: str) -> bool:
    """Tell whether a refusal says that something has this reference already."""
    return reference in refusal and _TAKEN.search(refusal) is not None


def _compare(made: "RemoteSale", invoice: Invoice, net: int, tax: int) -> None:
    """Hold what was recorded there against our lines."""
    currency = invoice.currency
    ours = (
        in_stripes_unit(net, currency),
        in_stripes_unit(tax, currency),
        currency.lower(),
    )
    theirs = (made.net_minor, made.tax_minor, made.currency)
    if ours != theirs:
        raise Differs(f"the sale is {theirs} there, ours is {ours}")
