"""Find our payments behind something that happened to a payment at Stripe.

Failure: `NotYet` while the payment is ours and not recorded yet.
"""

import datetime as dt

from metering.billing.providers.stripe.client import client_for
from metering.collection.following.invoices import follow_invoice
from metering.collection.following.linking import Source, payments_of
from metering.inbox.handlers import NotYet
from metering.receivables.models import Payment

# What we make at Stripe carries marks with this beginning.
_MARKS = "tollgate_"


def payments_behind(source: Source, *, now: dt.datetime) -> list[Payment]:
    """Return our payments, recorded now if nobody told of them; none of others.

    Raises `NotYet` for a payment that is ours, but no invoice's yet.
    """
    found = payments_of(source)
    if found or not source.intent:
        return found
    client = client_for(source.account)
    for reference in client.collected.invoices_of(source.intent):
        follow_invoice(source.account, reference, now=now)
    found = payments_of(source)
    if not found:
        marks = client.payments.read(source.intent).metadata
        if any(mark.startswith(_MARKS) for mark in marks):
            raise NotYet(f"Payment {source.intent} is not recorded yet.")
    return found
