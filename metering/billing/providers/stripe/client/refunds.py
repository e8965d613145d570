"""Refunds: what of a payment goes back, and whether it came there."""

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

    @two_kinds_of_failure
    def create(self, params: Mapping[str, object], *, key: str) -> RemoteRefund:
        """Ask for money of a payment to go back."""
        request = cast(sdk.RefundCreateParams, params)
        return refund_of(self._v1.refunds.create(request, {"idempotency_key": key}))

    @two_kinds_of_failure
    def of_payment(self, paid: Mapping[str, str]) -> list[RemoteRefund]:
        """Return all refunds of a payment, named by its intent or charge."""
        request = cast(sdk.RefundListParams, {**paid, "limit": PAGE_ROWS})
        listed = self._v1.refunds.list(request)
        return [refund_of(row) for row in listed.auto_paging_iter()]


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
