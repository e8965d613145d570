"""Invoices and their lines."""

from collections.abc import Mapping, Sequence
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
class RemoteTax:
    """A tax on an invoice; what it is in full is its rate's."""

    rate: str
    amount_minor: int
    taxable_minor: int
    is_inclusive: bool
    reason: str


@dataclass(frozen=True, slots=True)
class RemoteInvoice:
    """An invoice as Stripe has it; amounts as Stripe counts the currency.

    The balances are the customer's, before and after it was finalised: what is above
    zero is owed and comes with a later invoice, what is below is the customer's.
    """

    reference: str
    status: str
    customer: str
    currency: str
    total_minor: int
    starting_balance: int
    ending_balance: int
    number: str
    hosted_url: str
    tax_status: str
    taxes: tuple[RemoteTax, ...]
    metadata: Mapping[str, str]

    @property
    def carried_minor(self) -> int:
        """Return what of it is owed and not asked for, but left for a later one."""
        before, after = max(0, self.starting_balance), max(0, self.ending_balance)
        return max(0, after - before)


@dataclass(frozen=True, slots=True)
class RemoteLine:
    """A line as Stripe has it."""

    reference: str
    currency: str
    amount_minor: int
    metadata: Mapping[str, str]


class Invoices(Subject):
    """Calls about invoices."""

    @two_kinds_of_failure
    def of_customer(self, customer: str) -> list[RemoteInvoice]:
        """Return all invoices of a customer, newest first."""
        listed = self._v1.invoices.list({"customer": customer, "limit": PAGE_ROWS})
        return [_invoice(row) for row in listed.auto_paging_iter()]

    @two_kinds_of_failure
    def read(self, reference: str) -> RemoteInvoice | None:
        """Return an invoice, or None when there is none: drafts can be deleted."""
        try:
            return _invoice(self._v1.invoices.retrieve(reference))
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise

    @two_kinds_of_failure
    def create(self, params: Mapping[str, object], *, key: str) -> RemoteInvoice:
        """Create a draft."""
        request = cast(sdk.InvoiceCreateParams, params)
        return _invoice(self._v1.invoices.create(request, {"idempotency_key": key}))

    @two_kinds_of_failure
    def lines(self, reference: str) -> list[RemoteLine]:
        """Return every line of an invoice, page by page."""
        listed = self._v1.invoices.line_items.list(reference, {"limit": PAGE_ROWS})
        return [_line(row) for row in listed.auto_paging_iter()]

    @two_kinds_of_failure
    def add_lines(
        self, reference: str, lines: Sequence[Mapping[str, object]], *, key: str
    ) -> RemoteInvoice:
        """Put lines on a draft."""
        request = cast(sdk.InvoiceAddLinesParams, {"lines": list(lines)})
        answer = self._v1.invoices.add_lines(
            reference, request, {"idempotency_key": key}
        )
        return _invoice(answer)

    @two_kinds_of_failure
    def set_number(self, reference: str, number: str, *, key: str) -> RemoteInvoice:
        """Give a draft its number."""
        answer = self._v1.invoices.update(
            reference, {"number": number}, {"idempotency_key": key}
        )
        return _invoice(answer)

    @two_kinds_of_failure
    def finalise(self, reference: str, *, key: str) -> RemoteInvoice:
        """Freeze a draft and open it to its payer; Stripe collects from then on."""
        answer = self._v1.invoices.finalize_invoice(
            reference, {"auto_advance": True}, {"idempotency_key": key}
        )
        return _invoice(answer)

    @two_kinds_of_failure
    def delete(self, reference: str) -> None:
        """Delete a draft: nothing of it is left. Of a delete Stripe keeps no key."""
        self._v1.invoices.delete(reference)

    @two_kinds_of_failure
    def mark_uncollectible(self, reference: str, *, key: str) -> RemoteInvoice:
        """Give an invoice up; it may still be paid."""
        answer = self._v1.invoices.mark_uncollectible(
            reference, {}, {"idempotency_key": key}
        )
        return _invoice(answer)

    @two_kinds_of_failure
    def pay_out_of_band(self, reference: str, *, key: str) -> RemoteInvoice:
        """Say that all that is open was paid elsewhere."""
        answer = self._v1.invoices.pay(
            reference, {"paid_out_of_band": True}, {"idempotency_key": key}
        )
        return _invoice(answer)


def _invoice(row: stripe.Invoice) -> RemoteInvoice:
    return RemoteInvoice(
        reference=row.id,
        status=row.status or "",
        customer=id_of(row.customer),
        currency=row.currency,
        total_minor=row.total,
        starting_balance=row.starting_balance,
        ending_balance=row.ending_balance or 0,
        number=row.number or "",
        hosted_url=row.hosted_invoice_url or "",
        tax_status=row.automatic_tax.status or "",
        taxes=tuple(_tax(tax) for tax in row.total_taxes or ()),
        metadata=metadata_of(row.metadata),
    )


def _tax(tax: stripe.Invoice.TotalTax) -> RemoteTax:
    details = tax.tax_rate_details
    return RemoteTax(
        rate=details.tax_rate if details else "",
        amount_minor=tax.amount,
        taxable_minor=tax.taxable_amount or 0,
        is_inclusive=tax.tax_behavior == "inclusive",
        reason=tax.taxability_reason,
    )


def _line(row: stripe.InvoiceLineItem) -> RemoteLine:
    return RemoteLine(
        reference=row.id,
        currency=row.currency,
        amount_minor=row.amount,
        metadata=metadata_of(row.metadata),
    )
