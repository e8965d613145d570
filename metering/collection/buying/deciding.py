"""What has become of a payment, from what the provider says of it: pure.

Only a payment that succeeded is money; a page that says it is complete is not. What can
still change is waited for, what cannot is the end of its purchase.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client.checkout import RemoteCheckout
    from metering.billing.providers.stripe.client.payments import RemotePayment

CLOSED_UNPAID = "The page was closed, and nothing was paid on it."
NEEDS_A_PERSON = (
    "The bank wants a person to confirm the payment: pay on the provider's page."
)
_AUTHENTICATION = "authentication_required"


class Kind(Enum):
    """How a purchase goes on."""

    PAID = "paid"
    WAITING = "waiting"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a purchase goes on, and why."""

    kind: Kind
    problem: str = ""


_WAITING = Outcome(Kind.WAITING)
_PAID = Outcome(Kind.PAID)


def on_page(checkout: "RemoteCheckout", payment: "RemotePayment | None") -> Outcome:
    """Decide on what a person was to pay on a page."""
    if payment is not None and payment.status == "succeeded":
        return _PAID
    if checkout.status == "open":
        return _WAITING
    if checkout.status == "expired":
        return Outcome(Kind.CANCELLED, CLOSED_UNPAID)
    # It is complete: what takes days is on its way, or came back.
    if payment is None or payment.status == "processing":
        return _WAITING
    return Outcome(Kind.FAILED, _why(payment))


def by_method(payment: "RemotePayment") -> Outcome:
    """Decide on what a payment method was asked for while nobody was there."""
    if payment.status == "succeeded":
        return _PAID
    if payment.status == "processing":
        return _WAITING
    return Outcome(Kind.FAILED, _why(payment))


def _why(payment: "RemotePayment") -> str:
    if payment.status == "requires_action" or payment.error_code == _AUTHENTICATION:
        return NEEDS_A_PERSON
    return payment.error or f"The payment is {payment.status.replace('_', ' ')}."
