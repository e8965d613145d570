"""Hold what was paid against what was asked for: pure.

News that something is paid is only a hint: whoever brings it, the payment is read again
from the account that was asked, and credit is granted for what that says and nothing
else. A payment of another amount, currency, customer or top-up buys nothing.
"""

from typing import TYPE_CHECKING

from metering.billing.providers.stripe.mapping import in_stripes_unit
from metering.collection.models import Purchase

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client.payments import RemotePayment

# What a payment, and the page that it is made on, are marked with.
PURCHASE_MARK = "tollgate_purchase"
TOP_UP_MARK = "tollgate_top_up"
PAID = "succeeded"


def marks_of(purchase: Purchase) -> dict[str, str]:
    """Return what names a purchase at the provider."""
    return {
        PURCHASE_MARK: str(purchase.public_id),
        TOP_UP_MARK: str(purchase.top_up_id),
    }


def difference(purchase: Purchase, found: "RemotePayment", *, is_live: bool) -> str:
    """Return how a payment that succeeded is not the one asked for, or nothing."""
    asked_minor = in_stripes_unit(purchase.total_minor, purchase.currency)
    expected: dict[str, tuple[object, object]] = {
        "status": (PAID, found.status),
        "amount": (asked_minor, found.amount_minor),
        "amount received": (asked_minor, found.received_minor),
        "currency": (purchase.currency.lower(), found.currency.lower()),
        "customer": (purchase.customer, found.customer),
        "live mode": (is_live, found.is_live),
    }
    for name, mark in marks_of(purchase).items():
        expected[name] = (mark, found.metadata.get(name))
    if purchase.intent:
        expected["payment"] = (purchase.intent, found.reference)
    for name, (ours, theirs) in expected.items():
        if ours != theirs:
            return f"{name} is {theirs or 'missing'}, ours is {ours}"
    return ""
