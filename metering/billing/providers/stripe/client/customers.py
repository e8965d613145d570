"""Customers: tenants, as Stripe knows them."""

from collections.abc import Mapping
from typing import cast

from stripe import params as sdk

from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    metadata_of,
    two_kinds_of_failure,
)


class Customers(Subject):
    """Calls about customers."""

    @two_kinds_of_failure
    def find(self, metadata: tuple[str, str]) -> str | None:
        """Return the oldest customer whose metadata says so: reads the whole list."""
        name, value = metadata
        listed = self._v1.customers.list({"limit": PAGE_ROWS})
        found = [
            row.id
            for row in listed.auto_paging_iter()
            if metadata_of(row.metadata).get(name) == value
        ]
        return found[-1] if found else None

    @two_kinds_of_failure
    def search(self, metadata: tuple[str, str]) -> str | None:
        """Return a customer whose metadata says so, of those a minute old or older.

        One call, where `find` reads the whole list; Stripe's index lags behind.
        """
        name, value = metadata
        found = self._v1.customers.search(
            {"query": f"metadata['{name}']:'{value}'", "limit": 1}
        )
        return found.data[0].id if found.data else None

    @two_kinds_of_failure
    def create(self, params: Mapping[str, object], *, key: str) -> str:
        """Create a customer and return its reference."""
        request = cast(sdk.CustomerCreateParams, params)
        return self._v1.customers.create(request, {"idempotency_key": key}).id

    @two_kinds_of_failure
    def update(self, reference: str, params: Mapping[str, object], *, key: str) -> str:
        """Say of a customer what has changed, and return its reference."""
        request = cast(sdk.CustomerUpdateParams, params)
        made = self._v1.customers.update(reference, request, {"idempotency_key": key})
        return made.id
