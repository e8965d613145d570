"""Bring what was overpaid at the provider to our side: it is the tenant's credit here.

The provider keeps it on its customer's balance and would take it off the next invoice
there. So it is taken off that balance, and booked here as a payment of the invoice that
came in too much, in the transaction that notes the provider's answer.

Failure: `Differs` where a later invoice there was paid with it already: people look at
it. See `telling`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from django.db.models import Sum

from kit.orm.atomic import atomic
from metering.billing import operations
from metering.billing.models import Invoice
from metering.billing.providers.stripe.mapping import (
    in_our_unit,
    in_our_whole_units,
    in_stripes_unit,
)
from metering.collection.models import Outgoing
from metering.collection.outgoing.steps import Differs, Skipped, Step
from metering.receivables.models import Payment, Refund
from metering.receivables.paying import record_payment

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.balances import RemoteMove
    from metering.billing.providers.stripe.client.collected import CollectedInvoice

OVERPAID_MARK = "tollgate_overpaid"
_CALL = "take_overpaid"
# Why a customer's balance changes, as Stripe says it.
_OVERPAID = "invoice_overpaid"
_BY_INVOICES = frozenset(
    {"applied_to_invoice", "invoice_too_small", "unapplied_from_invoice"}
)


def brought_minor(invoice: Invoice) -> int:
    """Return how much of what was overpaid is on our side."""
    rows = Payment.objects.filter(
        invoice=invoice, reference__startswith=_name(invoice, "")
    )
    return int(rows.aggregate(total=Sum("amount_minor"))["total"] or 0)


def ask_for(invoice: Invoice, remote: "CollectedInvoice", *, now: dt.datetime) -> None:
    """Ask for what was overpaid and is not here; in the follower's transaction."""
    over = in_our_whole_units(remote.overpaid_minor, invoice.currency)
    if over <= brought_minor(invoice):
        return
    row, is_new = Outgoing.objects.get_or_create(
        kind=Outgoing.Kind.OVERPAID,
        fact_id=invoice.pk,
        defaults={
            "tenant_id": invoice.tenant_id,
            "invoice": invoice,
            "account": invoice.provider_account,
            "asked_at": now,
            "try_at": now,
        },
    )
    if not is_new and row.state != Outgoing.State.WAITING:
        # More came after it was brought.
        Outgoing.objects.filter(pk=row.pk).update(
            state=Outgoing.State.WAITING, try_at=now, ended_at=None
        )


def bring(client: "StripeAccount", step: Step) -> str:
    """Take what was overpaid off the customer's balance, and book it here."""
    # Where nothing is brought, the SDK stays out of the process.
    from metering.billing.providers.stripe.client.balances import (  # noqa: PLC0415
        RemoteMove,
    )
    from metering.collection.following.invoices import follow_invoice  # noqa: PLC0415

    invoice = Invoice.objects.get(pk=step.row.invoice_id)
    found = step.invoice_at(client)
    here = brought_minor(invoice)
    left = found.overpaid_minor - in_stripes_unit(here, invoice.currency)
    # A part of what we count in stays there.
    ours = in_our_whole_units(left, invoice.currency)
    over = in_stripes_unit(ours, invoice.currency)
    if over <= 0:
        raise Skipped("What was overpaid is here.")
    mark = f"{invoice.public_id}/{here}"
    call = step.call(_CALL, mark)
    moves = client.balances.moves(found.customer)
    known = _moved(moves, mark)
    if known is None:
        used = _used(moves, invoice)
        if used:
            raise Differs(
                f"of {over} that was overpaid a later invoice there took {used} off the"
                " customer's balance: settle that invoice here by hand"
            )
        move = RemoteMove("", over, found.currency, {OVERPAID_MARK: mark})
        reference = step.perform(
            call,
            lambda key: client.balances.move(found.customer, move, key=key),
            lambda made: _book(step, invoice, found, replace(move, reference=made)),
        )
    else:
        with atomic():
            reference = _book(step, invoice, found, known)
            operations.adopt(call, reference=reference, now=step.now)
    # It differs no more.
    follow_invoice(step.row.account, invoice.provider_reference, now=step.now)
    return reference


def _book(
    step: Step, invoice: Invoice, found: "CollectedInvoice", made: "RemoteMove"
) -> str:
    """Record what was taken off the balance as what came in too much."""
    here = brought_minor(invoice)
    record_payment(
        invoice=invoice,
        amount_minor=in_our_unit(made.amount_minor, invoice.currency),
        reference=_name(invoice, f" from {here}" if here else ""),
        method=Payment.Method.OTHER,
        received_at=min(found.paid_at or step.now, step.now),
        excess=Refund.Outlet.CREDIT,
        now=step.now,
    )
    return made.reference


def _moved(moves: "Sequence[RemoteMove]", mark: str) -> "RemoteMove | None":
    """Return the change of the balance that an earlier try made, if one did."""
    for move in moves:
        if move.metadata.get(OVERPAID_MARK) == mark:
            return move
    return None


def _used(moves: "Sequence[RemoteMove]", invoice: Invoice) -> int:
    """Return what invoices took of the balance since this one was overpaid.

    Changes come with the latest first; those before were not of this money.
    """
    taken = used = 0
    for move in moves:
        if move.metadata.get(OVERPAID_MARK, "").startswith(f"{invoice.public_id}/"):
            break
        if move.kind in _BY_INVOICES:
            taken += move.taken_minor
        is_of_it = move.invoice == invoice.provider_reference
        if move.kind == _OVERPAID and is_of_it:
            used = taken
    return max(used, 0)


def _name(invoice: Invoice, part: str) -> str:
    return f"stripe {invoice.provider_reference} overpaid{part}"
