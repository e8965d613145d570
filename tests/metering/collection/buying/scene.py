"""Credit on its way to being paid for, and what the provider says of its payment."""

import datetime as dt
from typing import Any

from metering.billing.providers.stripe.client.payments import RemotePayment
from metering.collection.buying import asking, quoting, verifying
from metering.collection.models import Purchase
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.factories.tenants import make_tenant

CUSTOMER = "cus_1"
INTENT = "pi_1"


def prepaid(**changes: Any) -> Tenant:
    """Make a tenant that pays from credit."""
    return make_tenant(payment_mode="prepaid", **changes)


def quoted(tenant: Tenant | None = None, *, amount_minor: int = 10_000) -> Purchase:
    """Ask for credit on the provider's page, and freeze what it costs."""
    now = database_now()
    asked = asking.ask_checkout(
        tenant=tenant or prepaid(), amount_minor=amount_minor, now=now
    )
    quote = quoting.own_quote(purchase=asked, now=now)
    return quoting.freeze(
        purchase=asked, quote=quote, payer=quoting.Payer(CUSTOMER), now=now
    )


def paid(purchase: Purchase, **changes: Any) -> RemotePayment:
    """Return the payment of a purchase as the provider has it, or nearly so."""
    return RemotePayment(
        **{
            "reference": INTENT,
            "status": "succeeded",
            "amount_minor": purchase.total_minor,
            "received_minor": purchase.total_minor,
            "currency": purchase.currency.lower(),
            "customer": CUSTOMER,
            "is_live": False,
            "metadata": verifying.marks_of(purchase),
            "method": "card",
            "charge": "ch_1",
            "paid_at": database_now() - dt.timedelta(seconds=3),
            "error_code": "",
            "error": "",
            **changes,
        }
    )
