"""Tax ids of customers, and what their countries' offices say of them."""

from dataclasses import dataclass
from typing import cast

import stripe
from stripe import params as sdk

from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    two_kinds_of_failure,
)

_MISSING = 404


@dataclass(frozen=True, slots=True)
class RemoteTaxId:
    """A tax id as Stripe has it; `checked` is what its country's office says of it."""

    reference: str
    kind: str
    value: str
    checked: str


class TaxIds(Subject):
    """Calls about customers' tax ids."""

    @two_kinds_of_failure
    def of_customer(self, customer: str) -> list[RemoteTaxId]:
        """Return all tax ids of a customer."""
        listed = self._v1.customers.tax_ids.list(customer, {"limit": PAGE_ROWS})
        return [_tax_id(row) for row in listed.auto_paging_iter()]

    @two_kinds_of_failure
    def create(self, customer: str, kind: str, value: str, *, key: str) -> RemoteTaxId:
        """Give a customer a tax id."""
        params = cast(sdk.CustomerTaxIdCreateParams, {"type": kind, "value": value})
        return _tax_id(
            self._v1.customers.tax_ids.create(
                customer, params, {"idempotency_key": key}
            )
        )

    @two_kinds_of_failure
    def delete(self, customer: str, reference: str, *, key: str) -> str:
        """Take a tax id from a customer; one that is gone is gone."""
        try:
            self._v1.customers.tax_ids.delete(
                customer, reference, {}, {"idempotency_key": key}
            )
        except stripe.InvalidRequestError as error:
            if error.http_status != _MISSING:
                raise
        return reference


def _tax_id(row: stripe.TaxId) -> RemoteTaxId:
    return RemoteTaxId(
        reference=row.id,
        kind=row.type,
        value=row.value,
        checked=row.verification.status if row.verification else "",
    )
