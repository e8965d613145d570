"""Pages of Stripe's on which a person pays."""

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
class RemoteCheckout:
    """A page as Stripe has it: open, complete or expired, and its payment."""

    reference: str
    status: str
    intent: str
    url: str
    metadata: Mapping[str, str]


class Checkouts(Subject):
    """Calls about pages."""

    @two_kinds_of_failure
    def create(self, params: Mapping[str, object], *, key: str) -> RemoteCheckout:
        """Open a page."""
        request = cast(sdk.checkout.SessionCreateParams, params)
        return _checkout(
            self._v1.checkout.sessions.create(request, {"idempotency_key": key})
        )

    @two_kinds_of_failure
    def read(self, reference: str) -> RemoteCheckout:
        """Return a page."""
        return _checkout(self._v1.checkout.sessions.retrieve(reference))

    @two_kinds_of_failure
    def of_customer(self, customer: str) -> list[RemoteCheckout]:
        """Return all pages that were opened for a customer, newest first."""
        listed = self._v1.checkout.sessions.list(
            {"customer": customer, "limit": PAGE_ROWS}
        )
        return [_checkout(row) for row in listed.auto_paging_iter()]

    @two_kinds_of_failure
    def expire(self, reference: str, *, key: str) -> RemoteCheckout:
        """Close a page: nobody can pay on it any more."""
        return _checkout(
            self._v1.checkout.sessions.expire(reference, {}, {"idempotency_key": key})
        )


def _checkout(row: stripe.checkout.Session) -> RemoteCheckout:
    return RemoteCheckout(
        reference=row.id,
        status=row.status or "",
        intent=id_of(row.payment_intent),
        url=row.url or "",
        metadata=metadata_of(row.metadata),
    )
