"""Issue our credit notes at the provider: our lines, our amounts, compared afterwards.

What was open of the invoice there is taken off it. What is more went back by refunds
that are there already, which the note names, or elsewhere; of what was carried over it
is taken off what the customer owes for later. What is more than was open of the
invoice itself is first taken off what was carried to it: that is owed for later again.

Failure: `Differs` for a note that came out as another amount: people look at it. See
`telling`.
"""

from typing import TYPE_CHECKING, Any

from metering.billing import operations
from metering.billing.models import InvoiceLine
from metering.billing.operations import NotYet
from metering.billing.providers.stripe.mapping import LINE_MARK, in_stripes_unit
from metering.collection.models import Outgoing
from metering.collection.outgoing.queueing import FROM_THERE
from metering.collection.outgoing.steps import Differs, Skipped, Step
from metering.receivables.models import CreditNote, CreditNoteLine, Refund

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.collected import CollectedInvoice
    from metering.billing.providers.stripe.client.notes import RemoteNote

NOTE_MARK = "tollgate_credit_note"
NUMBER_MARK = "tollgate_number"
_MEMO_CHARS_MAX = 5000
_MADE_THERE = f"{FROM_THERE}re_"


def issue(client: "StripeAccount", step: Step) -> str:
    """Issue a note there, unless it is; return its reference."""
    step.require_told(Outgoing.Kind.REFUND)
    note = CreditNote.objects.select_related("invoice").get(pk=step.row.fact_id)
    amount = _money(note)
    if not amount:
        raise Skipped("All of it is credit again: no money is taken back.")
    found = step.invoice_at(client)
    _require_recorded(step, found)
    call = step.call("credit_note", str(note.public_id))
    made = _known(client, note) if operations.attempted(call) else None
    if made is not None:
        operations.adopt(call, reference=made.reference, now=step.now)
    else:
        params = _params(client, note, found)
        made = step.perform(
            call,
            lambda key: client.notes.create(params, key=key),
            lambda answer: answer.reference,
        )
    if made.total_minor != amount or made.currency.upper() != note.currency:
        raise Differs(
            f"the note is {made.total_minor} {made.currency} there, ours is {amount}"
        )
    _owe_again(client, step, found, made)
    return made.reference


def _require_recorded(step: Step, found: "CollectedInvoice") -> None:
    """Wait for payments of an invoice that asks for what was carried to it.

    How they divide is decided by what was noted before they came.
    """
    from metering.collection.following.linking import is_linked  # noqa: PLC0415
    from metering.collection.following.sharing import carried_in  # noqa: PLC0415

    if carried_in(found) and not all(
        is_linked(account=step.row.account, reference=payment.reference)
        for payment in found.payments
        if payment.status == "paid"
    ):
        raise NotYet("A payment of the invoice is not recorded here yet.")


def _owe_again(
    client: "StripeAccount", step: Step, found: "CollectedInvoice", made: "RemoteNote"
) -> None:
    """Let a customer owe for later what a note took off what was carried, once."""
    from metering.billing.providers.stripe.client.balances import (  # noqa: PLC0415
        RemoteMove,
    )
    from metering.collection.following import sharing  # noqa: PLC0415

    if not sharing.carried_in(found):
        return
    issued = client.notes.of_invoice(found.reference)
    amount = sharing.noted_of_carried(found, made, issued)
    if not amount:
        return
    mark = made.metadata[NOTE_MARK]
    call = step.call("owe_again", mark)
    if operations.succeeded(call):
        return
    if operations.attempted(call):
        for move in client.balances.moves(found.customer):
            if move.metadata.get(NOTE_MARK) == mark:
                operations.adopt(call, reference=move.reference, now=step.now)
                return
    owed = RemoteMove("", amount, found.currency, {NOTE_MARK: mark})
    step.perform(
        call,
        lambda key: client.balances.move(found.customer, owed, key=key),
        lambda answer: answer,
    )


def _money(note: CreditNote) -> int:
    """Return what a note takes back of what was asked for, as Stripe counts it."""
    minor = note.amount_minor - note.restored_minor
    return in_stripes_unit(minor, note.currency)


def _known(client: "StripeAccount", note: CreditNote) -> "RemoteNote | None":
    mark = str(note.public_id)
    for found in client.notes.of_invoice(note.invoice.provider_reference):
        if found.metadata.get(NOTE_MARK) == mark and found.status != "void":
            return found
    return None


def _params(
    client: "StripeAccount", note: CreditNote, found: "CollectedInvoice"
) -> dict[str, Any]:
    from metering.collection.following.sharing import carried_out  # noqa: PLC0415

    amount = _money(note)
    beyond = max(amount - found.remaining_minor, 0)
    refunds = _refunds(note, beyond)
    beyond -= sum(each["amount_refunded"] for each in refunds)
    owed = min(beyond, carried_out(found))
    if owed:
        # What a later invoice asks for already is owed with that one.
        owed = min(owed, max(client.balances.of_customer(found.customer), 0))
    params: dict[str, Any] = {
        "invoice": found.reference,
        "memo": note.reason[:_MEMO_CHARS_MAX],
        "email_type": "none",
        "metadata": {NOTE_MARK: str(note.public_id), NUMBER_MARK: note.number},
    }
    parts = {
        "refunds": refunds,
        "credit_amount": owed,
        "out_of_band_amount": beyond - owed,
    }
    lines = _lines(client, note)
    asked = {"lines": lines} if lines else {"amount": amount}
    return params | asked | {name: part for name, part in parts.items() if part}


def _refunds(note: CreditNote, most: int) -> list[dict[str, Any]]:
    """Return the refunds there that carry out what this note gave back.

    A note on money that left there is called by the refund that took it.
    """
    if note.reference.startswith(_MADE_THERE):
        made = note.reference.removeprefix(FROM_THERE)
        return [{"refund": made, "amount_refunded": most}] if most else []
    named = Refund.objects.filter(
        payment__invoice=note.invoice, reference__startswith=f"{note} of payment"
    )
    told = Outgoing.objects.filter(
        kind=Outgoing.Kind.REFUND, state=Outgoing.State.TOLD
    ).values_list("fact_id", "reference")
    references = dict(told.filter(fact_id__in=named.values("pk")))
    found = []
    for refund in named.filter(pk__in=references).order_by("pk"):
        part = min(in_stripes_unit(refund.amount_minor, note.currency), most)
        if part:
            found.append({"refund": references[refund.pk], "amount_refunded": part})
            most -= part
    return found


def _lines(client: "StripeAccount", note: CreditNote) -> list[dict[str, Any]]:
    """Return the note by the invoice's lines there; nothing where one has no such."""
    ours: list[CreditNoteLine] = list(note.lines.order_by("position"))
    is_plain = not note.restored_minor and all(
        line.amount_minor > 0 and line.kind != InvoiceLine.Kind.CREDIT for line in ours
    )
    if not is_plain:
        return []
    there = {
        line.metadata.get(LINE_MARK): line.reference
        for line in client.invoices.lines(note.invoice.provider_reference)
    }
    if any(str(line.position) not in there for line in ours):
        return []
    return [
        {
            "type": "invoice_line_item",
            "invoice_line_item": there[str(line.position)],
            "amount": in_stripes_unit(line.amount_minor, note.currency),
        }
        for line in ours
    ]
