"""Follow a dispute at Stripe: money that a bank withdrew and brought back, and a hold.

The invoice is held while the dispute is open, so that nobody is followed up for what a
bank is still to decide.

Failure: what Stripe does not answer, or a payment that is not recorded yet, is tried
again by whoever asked. Owns: `Dispute`.
"""

import datetime as dt

from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.billing.providers.stripe.client import client_for
from metering.billing.providers.stripe.client.disputes import Movement, RemoteDispute
from metering.billing.providers.stripe.mapping import in_our_unit
from metering.collection.following import going_back
from metering.collection.following.finding import payments_behind
from metering.collection.following.going_back import Leaving
from metering.collection.following.linking import Source
from metering.collection.models import Dispute
from metering.receivables.holding import hold_invoice, open_hold, release_invoice
from metering.receivables.models import Hold, Payment, Refund
from metering.usage.selectors import database_now

CLOSED = frozenset({"won", "lost", "warning_closed", "prevented"})


def follow_dispute(account: str, reference: str, *, now: dt.datetime) -> bool:
    """Read a dispute and record what it did; False when it is none of ours.

    Must run outside a transaction.
    """
    read_at = database_now()
    remote = client_for(account).disputes.read(reference)
    source = Source(account, remote.intent, remote.charge)
    payments = payments_behind(source, now=now)
    if not payments:
        return False
    with atomic():
        going_back.hold_all(payments)
        # What moved has moved, however old the reading is.
        _record_movements(remote, payments, now=now)
        if remote.status == "lost":
            _unsell(remote, payments, now=now)
        if _note(account, remote, payments[0], read_at=read_at):
            for invoice in dict.fromkeys(payment.invoice for payment in payments):
                _hold_or_release(invoice, remote, now=now)
    return True


def _record_movements(
    remote: RemoteDispute, payments: list[Payment], *, now: dt.datetime
) -> None:
    """Record each withdrawal, and each return of what was withdrawn last."""
    last: list[Refund] = []
    for movement in remote.movements:
        name = f"stripe {movement.reference}"
        if movement.amount_minor < 0:
            leaving = Leaving(
                _amount(movement, remote),
                Refund.Outlet.CHARGE_BACK,
                f"Disputed: {remote.reason}.",
                name,
            )
            last = going_back.take_back(payments, leaving, now=now)
        else:
            going_back.bring_again(last, reference=name, now=now)


def _unsell(
    remote: RemoteDispute, payments: list[Payment], *, now: dt.datetime
) -> None:
    """Take the sale of credit back whose money the bank keeps."""
    kept = -sum(
        _amount(movement, remote) * (1 if movement.amount_minor > 0 else -1)
        for movement in remote.movements
    )
    reason = f"Disputed and lost: {remote.reason}."
    name = f"stripe {remote.reference}"
    leaving = Leaving(kept, Refund.Outlet.CHARGE_BACK, reason, name)
    going_back.unsell(payments, leaving, now=now)


def _amount(movement: Movement, remote: RemoteDispute) -> int:
    """Return what moved, in the payment's currency."""
    same = movement.currency == remote.currency
    moved = abs(movement.amount_minor) if same else remote.amount_minor
    return in_our_unit(moved, remote.currency)


def _note(
    account: str, remote: RemoteDispute, payment: Payment, *, read_at: dt.datetime
) -> bool:
    """Note how it stands; False when that is known from a later reading."""
    known = Dispute.objects.filter(account=account, reference=remote.reference).first()
    if known is not None and known.read_at > read_at:
        return False
    Dispute.objects.update_or_create(
        account=account,
        reference=remote.reference,
        defaults={
            "tenant_id": payment.tenant_id,
            "invoice": payment.invoice,
            "amount_minor": in_our_unit(remote.amount_minor, remote.currency),
            "status": remote.status,
            "reason": remote.reason,
            "opened_at": remote.opened_at,
            "evidence_due_at": remote.evidence_due_at,
            "read_at": read_at,
        },
    )
    return True


def _hold_or_release(
    invoice: Invoice, remote: RemoteDispute, *, now: dt.datetime
) -> None:
    invoice.refresh_from_db()
    reason = f"stripe {remote.reference}: {remote.reason}"
    if remote.status not in CLOSED:
        if invoice.state == Invoice.State.OPEN:
            hold_invoice(
                invoice=invoice, kind=Hold.Kind.DISPUTE, reason=reason, now=now
            )
        return
    hold = open_hold(invoice)
    # What people hold stays held.
    if hold is not None and hold.reason == reason:
        release_invoice(invoice=invoice, now=now)
