"""What was decided here as Stripe has it: each note and refund once, and what is owed.

Read past the product, on both sides. Failure: none of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from metering.billing.models import Invoice
from metering.collection.models import Outgoing
from metering.receivables.models import CreditNote, Refund
from tests.collecting.place import MARK, Stripe

NOTE_MARK = "tollgate_credit_note"
REFUND_MARK = "tollgate_refund"
State = Invoice.State
Json = dict[str, Any]


def differences(stripe: Stripe) -> Iterator[str]:
    """Give how what was decided here differs there."""
    yield from _notes(stripe)
    yield from _refunds(stripe)
    yield from _owed(stripe)
    for row in Outgoing.objects.filter(state=Outgoing.State.WAITING):
        yield f"{row} of invoice {row.invoice_id} is not told: {row.problem}"


def gone(stripe: Stripe, intent: str) -> int:
    """Return how much of a payment is gone again."""
    rows = stripe.account.rows
    back = sum(
        refund["amount"]
        for refund in rows["refund"].values()
        if refund["payment_intent"] == intent and refund["status"] == "succeeded"
    )
    for dispute in rows["dispute"].values():
        if dispute["payment_intent"] == intent:
            back -= sum(move["amount"] for move in dispute["balance_transactions"])
    return int(back)


def _notes(stripe: Stripe) -> Iterator[str]:
    """Each note that takes money back is there once, of as much."""
    ours = {
        str(note.public_id): (note.number, note.amount_minor - note.restored_minor)
        for note in CreditNote.objects.filter(invoice__provider="stripe")
        if note.amount_minor > note.restored_minor
    }
    there: defaultdict[str, list[int]] = defaultdict(list)
    for note in stripe.account.rows["credit_note"].values():
        if note["status"] == "issued":
            there[note["metadata"].get(NOTE_MARK, "nobody's")].append(note["total"])
    for mark in sorted(ours.keys() | there.keys()):
        number, amount = ours.get(mark, (mark, 0))
        if there[mark] != [amount]:
            yield f"note {number} is of {amount} here, and {there[mark]} there"


def _refunds(stripe: Stripe) -> Iterator[str]:
    """Each refund of ours, of a payment that came from there, is there once."""
    rows = Refund.objects.filter(
        outlet=Refund.Outlet.PAID_BACK, payment__reference__startswith="stripe pi_"
    ).exclude(reference__startswith="stripe ")
    ours = {str(row.pk): [row.amount_minor] for row in rows}
    there: defaultdict[str, list[int]] = defaultdict(list)
    for refund in stripe.account.rows["refund"].values():
        if REFUND_MARK in refund["metadata"] and refund["status"] == "succeeded":
            there[refund["metadata"][REFUND_MARK]].append(refund["amount"])
    for mark in sorted(ours.keys() | there.keys()):
        if ours.get(mark, []) != there[mark]:
            yield f"refund {mark} is {ours.get(mark)} here, and {there[mark]} there"


def _owed(stripe: Stripe) -> Iterator[str]:
    """Hold what tenants owe, and what is given up, against each other."""
    here: Counter[int] = Counter()
    there: Counter[int] = Counter()
    for invoice in Invoice.objects.filter(provider="stripe").exclude(number=None):
        remote = stripe.account.invoices[invoice.provider_reference]
        is_given_up = remote["status"] == "uncollectible"
        is_carried = remote["status"] == "paid" and invoice.carried_minor
        if is_given_up != (invoice.state == State.UNCOLLECTIBLE) and not is_carried:
            yield f"{invoice.number} is {invoice.state} here, {remote['status']} there"
        taken = invoice.paid_minor + invoice.credited_minor + invoice.written_off_minor
        here[invoice.tenant_id] += invoice.amount_minor - taken
        there[invoice.tenant_id] += 0 if is_given_up else _left(stripe, remote)
        there[invoice.tenant_id] += _taken_off(stripe, remote)
    for tenant in here:
        if here[tenant] != there[tenant]:
            yield f"tenant {tenant} owes {here[tenant]} here, and {there[tenant]} there"


def _taken_off(stripe: Stripe, remote: Json) -> int:
    """Return what was taken off its customer's balance of what it had carried."""
    rows = stripe.account.rows["customer_balance_transaction"].values()
    mark = remote["metadata"][MARK]
    return sum(row["amount"] for row in rows if row["metadata"].get(MARK) == mark)


def _left(stripe: Stripe, remote: Json) -> int:
    """Return what is left to be paid of an invoice and of what it had carried."""
    came = back = 0
    for payment in stripe.account.payments_of[remote["id"]]:
        intent = payment["payment"].get("payment_intent")
        if payment["status"] == "paid" and intent:
            came += payment["amount_paid"]
            back += gone(stripe, intent)
    moved = (remote["ending_balance"] or 0) - remote["starting_balance"]
    before = remote["pre_payment_credit_notes_amount"]
    after = remote["post_payment_credit_notes_amount"]
    # What somebody told Stripe: it came elsewhere.
    if remote["status"] == "paid":
        told = max(remote["total"] - moved - before - came, 0)
    else:
        told = 0
    # What a note took back of what had come, and not by a refund.
    kept = sum(
        note["out_of_band_amount"] or 0
        for note in stripe.account.rows["credit_note"].values()
        if note["invoice"] == remote["id"] and note["status"] == "issued"
    )
    return int(remote["total"] - before - after + kept - (came - back) - told)
