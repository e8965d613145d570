"""Which events of Stripe lead to which of our followers.

Each is a hint of what to read: whatever its type says, what stands there is recorded.
Money of invoices is told by their own events and those of their payments, refunds and
disputes; `charge.*` says the same once more, and nobody acts on it.
"""

import datetime as dt

from metering.inbox.handlers import handles

# The followers load Stripe's SDK, which stays out of a process that needs none.
# ruff: noqa: PLC0415


@handles("invoice.*")
def invoice_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Follow an invoice."""
    from metering.collection.following.invoices import follow_invoice

    follow_invoice(account, object_id, now=now)


@handles("invoice_payment.*")
def invoice_payment_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Follow the invoice that a payment pays."""
    from metering.billing.providers.stripe.client import client_for
    from metering.collection.following.invoices import follow_invoice

    payment = client_for(account).collected.invoice_payment(object_id)
    follow_invoice(account, payment.invoice, now=now)


@handles("refund.*")
def refund_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Follow a refund."""
    from metering.collection.following.refunds import follow_refund

    follow_refund(account, object_id, now=now)


@handles("charge.dispute.*")
def dispute_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Follow a dispute."""
    from metering.collection.following.disputes import follow_dispute

    follow_dispute(account, object_id, now=now)
