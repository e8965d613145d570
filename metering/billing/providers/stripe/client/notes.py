"""Credit notes of invoices that were finalised."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import stripe
from stripe import params as sdk

from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    metadata_of,
    two_kinds_of_failure,
)


@dataclass(frozen=True, slots=True)
class RemoteNote:
    """A credit note as Stripe has it; amounts as Stripe counts the currency.

    `noted_minor` of it was taken off what its invoice asked for.
    """

    reference: str
    status: str
    total_minor: int
    currency: str
    metadata: Mapping[str, str]
    noted_minor: int
    created_at: dt.datetime


class Notes(Subject):
    """Calls about credit notes."""

    @two_kinds_of_failure
    def create(self, params: Mapping[str, object], *, key: str) -> RemoteNote:
        """Issue a credit note."""
        request = cast(sdk.CreditNoteCreateParams, params)
        return _note(self._v1.credit_notes.create(request, {"idempotency_key": key}))

    @two_kinds_of_failure
    def of_invoice(self, invoice: str) -> list[RemoteNote]:
        """Return all credit notes of an invoice, newest first."""
        listed = self._v1.credit_notes.list({"invoice": invoice, "limit": PAGE_ROWS})
        return [_note(row) for row in listed.auto_paging_iter()]


def _note(row: stripe.CreditNote) -> RemoteNote:
    return RemoteNote(
        reference=row.id,
        status=row.status,
        total_minor=row.total,
        currency=row.currency,
        metadata=metadata_of(row.metadata),
        noted_minor=row.pre_payment_amount,
        created_at=dt.datetime.fromtimestamp(row.created, tz=dt.UTC),
    )
