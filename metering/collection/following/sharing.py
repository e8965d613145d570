"""What a payment at Stripe pays: its own invoice first, then what was carried. Pure.

An invoice may ask for more than its total: what is left of earlier invoices that were
too small to be charged for. Amounts are as Stripe counts the currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metering.billing.providers.stripe.client.collected import (
    CollectedInvoice,
    RemoteInvoicePayment,
)
from metering.billing.providers.stripe.client.notes import RemoteNote


@dataclass(frozen=True, slots=True)
class Share:
    """How a payment divides: for the invoice itself, and for what it had carried."""

    payment: RemoteInvoicePayment
    own_minor: int
    carried_minor: int


def carried_in(remote: CollectedInvoice) -> int:
    """Return what it asks for of earlier invoices."""
    owed = max(remote.starting_balance_minor, 0) - max(remote.ending_balance_minor, 0)
    return max(owed, 0)


def carried_out(remote: CollectedInvoice) -> int:
    """Return what of it was left to be asked for by later invoices."""
    owed = max(remote.ending_balance_minor, 0) - max(remote.starting_balance_minor, 0)
    return max(owed, 0)


def shares(remote: CollectedInvoice) -> tuple[Share, ...]:
    """Divide the payments that were made, the first one first.

    What notes took off before was of the invoice itself.
    """
    left = max(_own(remote) - remote.noted_minor, 0)
    divided = []
    for payment in _made(remote):
        own = min(payment.amount_minor, left)
        left -= own
        divided.append(Share(payment, own, payment.amount_minor - own))
    return tuple(divided)


def out_of_band(remote: CollectedInvoice) -> tuple[int, int]:
    """Return what was paid elsewhere, as somebody told Stripe: its own, and carried."""
    if remote.status != "paid":
        return 0, 0
    came = sum(payment.amount_minor for payment in _made(remote))
    elsewhere = max(remote.asked_minor - remote.noted_minor - came, 0)
    own = min(elsewhere, max(_own(remote) - remote.noted_minor - came, 0))
    return own, elsewhere - own


def noted_of_carried(
    remote: CollectedInvoice, note: RemoteNote, notes: Sequence[RemoteNote]
) -> int:
    """Return what a note took off what an invoice asks for of earlier ones.

    A note is of the invoice itself. What was paid of that before leaves less to take
    off than is asked for, and Stripe goes on with what was carried. `notes` are all of
    the invoice, the latest first.
    """
    place = [each.reference for each in notes].index(note.reference)
    noted = sum(
        each.noted_minor for each in notes[place + 1 :] if each.status != "void"
    )
    came = sum(
        payment.amount_minor
        for payment in _made(remote)
        if payment.paid_at and payment.paid_at <= note.created_at
    )
    return max(note.noted_minor - max(_own(remote) - noted - came, 0), 0)


def _own(remote: CollectedInvoice) -> int:
    """Return what it asks for of itself."""
    return max(remote.asked_minor - carried_in(remote), 0)


def _made(remote: CollectedInvoice) -> list[RemoteInvoicePayment]:
    made = [each for each in remote.payments if each.status == "paid"]
    return sorted(
        made,
        key=lambda each: (
            each.paid_at.timestamp() if each.paid_at else 0.0,
            each.reference,
        ),
    )
