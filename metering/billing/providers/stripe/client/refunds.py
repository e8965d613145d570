"""Refunds: what of a payment goes back, and whether it came there."""

from collections.abc import Mapping
from dataclasses import dataclass

import stripe

from metering.billing.providers.stripe.client.transport import (
    Subject,
    id_of,
    metadata_of,
    two_kinds_of_failure,
)


@dataclass(frozen=True, slots=True)
class RemoteRefund:
    """A refund as Stripe has it; its amount as Stripe counts the currency."""

    reference: str
    status: str
    amount_minor: int
    currency: str
    intent: str
    charge: str
    failure: str
    metadata: Mapping[str, str]


class Refunds(Subject):
    """Calls about refunds."""

    @two_kinds_of_failure
    def read(self, reference: str) -> RemoteRefund:
        """Return a refund."""
        return refund_of(self._v1.refunds.retrieve(reference))


def refund_of(row: stripe.Refund) -> RemoteRefund:
    """Return a refund as a frozen answer."""
    return RemoteRefund(
        reference=row.id,
        status=row.status or "",
        amount_minor=row.amount,
        currency=row.currency,
        intent=id_of(row.payment_intent),
        charge=id_of(row.charge),
        failure=getattr(row, "failure_reason", None) or "",
        metadata=metadata_of(row.metadata),
    )
