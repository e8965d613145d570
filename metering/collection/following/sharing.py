"""What a payment at Stripe pays: its own invoice first, then what was carried. Pure.

An invoice may ask for more than its total: what is left of earlier invoices that were
too small to be charged for. Amounts are as Stripe counts the currency.
"""

from dataclasses import dataclass

from metering.billing.providers.stripe.client.collected import (
    CollectedInvoice,
    RemoteInvoicePayment,
)


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
