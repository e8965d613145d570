"""News of what countries' offices say of tax ids: kept on the customer's row.

Failure: news of ids that are none of ours is none of ours.
"""

import datetime as dt

from metering.billing.models import ProviderCustomer
from metering.billing.providers.stripe.taxpayers import problem_of
from metering.collection.providing import client_of
from metering.inbox.handlers import handles


@handles("customer.tax_id.updated")
def tax_id_checked(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Read what is said of a tax id by now."""
    kept = ProviderCustomer.objects.filter(account=account, tax_id_reference=object_id)
    for customer in kept:
        for found in client_of(account).tax_ids.of_customer(customer.reference):
            if found.reference == object_id:
                kept.update(tax_id_problem=problem_of(found.checked))
