"""Payments by themselves: those that no invoice of Stripe's asks for.

A card that is declined is an answer, not a failure: the payment is there, and says why.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import stripe
from stripe import params as sdk

from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    id_of,
    metadata_of,
    two_kinds_of_failure,
)

# How money came in, by the type of the method it came by; anything else is "other".
_METHODS = {
    "card": "card",
    "link": "card",
    "sepa_debit": "direct_debit",
    "us_bank_account": "direct_debit",
    "bacs_debit": "direct_debit",
    "au_becs_debit": "direct_debit",
    "acss_debit": "direct_debit",
    "customer_balance": "transfer",
}


@dataclass(frozen=True, slots=True)
class RemotePayment:
    """A payment as Stripe has it; amounts as Stripe counts the currency.

    `error` and `error_code` say why its last attempt did not succeed.
    """

    reference: str
    status: str
    amount_minor: int
    received_minor: int
    currency: str
    customer: str
    is_live: bool
    metadata: Mapping[str, str]
    method: str
    charge: str
    paid_at: dt.datetime | None
    error_code: str
    error: str


class Payments(Subject):
    """Calls about payments."""

    @two_kinds_of_failure
    def create(self, params: Mapping[str, object], *, key: str) -> RemotePayment:
        """Ask for a payment; one that was declined is returned as it is."""
        request = cast(
            sdk.PaymentIntentCreateParams, {**params, "expand": ["latest_charge"]}
        )
        try:
            made = self._v1.payment_intents.create(request, {"idempotency_key": key})
        except stripe.CardError as error:
            refused = error.error.payment_intent if error.error else None
            if refused is None:
                raise
            return payment_of(refused)
        return payment_of(made)

    @two_kinds_of_failure
    def read(self, reference: str) -> RemotePayment:
        """Return a payment."""
        return payment_of(
            self._v1.payment_intents.retrieve(reference, {"expand": ["latest_charge"]})
        )

    @two_kinds_of_failure
    def of_customer(self, customer: str) -> list[RemotePayment]:
        """Return all payments of a customer, newest first."""
        listed = self._v1.payment_intents.list(
            {
                "customer": customer,
                "limit": PAGE_ROWS,
                "expand": ["data.latest_charge"],
            }
        )
        return [payment_of(row) for row in listed.auto_paging_iter()]

    @two_kinds_of_failure
    def cancel(self, reference: str, *, key: str) -> RemotePayment:
        """Give a payment up: nobody can make it any more."""
        return payment_of(
            self._v1.payment_intents.cancel(reference, {}, {"idempotency_key": key})
        )


def payment_of(row: stripe.PaymentIntent) -> RemotePayment:
    """Return a payment as a frozen answer."""
    charge = row.latest_charge if isinstance(row.latest_charge, stripe.Charge) else None
    details = charge.payment_method_details if charge else None
    kind = details.type if details else ""
    error = row.last_payment_error
    return RemotePayment(
        reference=row.id,
        status=row.status,
        amount_minor=row.amount,
        received_minor=row.amount_received,
        currency=row.currency,
        customer=id_of(row.customer),
        is_live=row.livemode,
        metadata=metadata_of(row.metadata),
        method=_METHODS.get(kind, "other"),
        charge=id_of(row.latest_charge),
        paid_at=dt.datetime.fromtimestamp(charge.created, dt.UTC) if charge else None,
        error_code=(error.code or "") if error else "",
        error=(error.message or "") if error else "",
    )
