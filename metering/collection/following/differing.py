"""Tell how an invoice stands otherwise at Stripe than here, in words. Pure.

What went back of its payments leaves it open here and paid there, and so does what was
too small to be charged for: neither is a difference.
"""

from dataclasses import dataclass

from kit.money import format_minor
from metering.billing.models import Invoice
from metering.billing.providers.stripe.client.collected import CollectedInvoice
from metering.billing.providers.stripe.mapping import (
    in_our_whole_units,
    in_stripes_unit,
)
from metering.collection.following import sharing

State = Invoice.State
# What is final there, and the state here that says the same.
_ENDED = {"void": State.VOID, "uncollectible": State.UNCOLLECTIBLE}
_ENDED_SAYS = {"void": "voided", "uncollectible": "given up"}


@dataclass(frozen=True, slots=True)
class Here:
    """How an invoice stands here, in the currency's minor unit.

    `back_minor` went back to its payer, or to the payer's bank; `brought_minor` was
    overpaid there and is credit here.
    """

    number: str
    currency: str
    state: str
    total_minor: int
    open_minor: int
    back_minor: int
    brought_minor: int = 0


def difference(here: Here, remote: CollectedInvoice) -> str:
    """Return how they differ, or nothing."""
    named = {
        "number": (here.number, remote.number),
        "currency": (here.currency, remote.currency.upper()),
        "total": (_there(here, here.total_minor), remote.total_minor),
    }
    for name, (ours, theirs) in named.items():
        if ours != theirs:
            return f"Its {name} is {theirs or 'none'} there, and {ours} here."
    return _of_status(here, remote)


def gone(here: Here) -> str:
    """Return how it differs when there is no such invoice there."""
    return f"{here.number} is not there."


def _of_status(here: Here, remote: CollectedInvoice) -> str:
    status, is_open = remote.status, here.open_minor > 0
    over = remote.overpaid_minor - _there(here, here.brought_minor)
    # A part of our unit cannot come here.
    if whole := in_our_whole_units(max(over, 0), here.currency):
        more = format_minor(whole, here.currency)
        return f"{more} too much was paid there: it is on its customer's balance."
    if status == "open":
        # What is asked for of earlier invoices is paid last, and is not of this one.
        remaining = max(remote.remaining_minor - sharing.carried_in(remote), 0)
        if remaining == _there(here, here.open_minor):
            return ""
        return (
            f"Of it {_amount(here, remaining)} is open there, and"
            f" {format_minor(here.open_minor, here.currency)} here."
        )
    if status == "paid":
        carried = sharing.carried_out(remote)
        if _there(here, here.open_minor - here.back_minor) <= carried:
            return ""
        return (
            "It is paid there, and"
            f" {format_minor(here.open_minor, here.currency)} is open here."
        )
    if status in _ENDED:
        # What was paid or credited here first was given up there too late.
        if here.state == _ENDED[status] or not is_open:
            return ""
        return f"It was {_ENDED_SAYS[status]} there, and is {here.state} here."
    return f"It is {status or 'nothing'} there, and {here.state} here."


def _there(here: Here, minor: int) -> int:
    return in_stripes_unit(minor, here.currency)


def _amount(here: Here, theirs: int) -> str:
    unit = in_stripes_unit(1, here.currency)
    return format_minor(theirs // unit, here.currency)
