"""News of payment methods: whose they are, and to read all of theirs again.

Failure: news of customers that are none of ours is none of ours.
"""

import datetime as dt

from metering.billing.models import ProviderCustomer
from metering.collection.methods import customer_with, read_methods
from metering.collection.models import PaymentMethod
from metering.collection.providing import client_of
from metering.inbox.handlers import handles
from metering.inbox.told import Told


@handles("payment_method.*")
def method_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Read the methods of whoever has, or had, a payment method."""
    kept = PaymentMethod.objects.filter(account=account, reference=object_id).first()
    if kept is not None:
        customer = ProviderCustomer.objects.filter(
            account=account, tenant_id=kept.tenant_id
        ).first()
    else:
        owner = client_of(account).methods.owner_of(object_id)
        customer = customer_with(account=account, reference=owner) if owner else None
    if customer is not None:
        read_methods(customer=customer, now=now)


def _changes_default(told: Told) -> bool:
    return told.changed is None or "invoice_settings" in told.changed


@handles("customer.updated", wants=_changes_default)
def customer_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Read the methods of a customer: it may have another default."""
    customer = customer_with(account=account, reference=object_id)
    if customer is not None:
        read_methods(customer=customer, now=now)
