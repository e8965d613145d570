"""What came of invoices: how each stands, and the payments made against it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

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
class RemoteInvoicePayment:
    """What a payment pays of an invoice; `amount_minor` only once it is paid."""

    reference: str
    invoice: str
    status: str
    amount_minor: int
    intent: str
    charge: str
    paid_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class CollectedInvoice:
    """An invoice as far as money goes; amounts as Stripe counts the currency.

    Balances are the customer's, what it owes positive, before and after the invoice was
    finalised. `noted_minor` was taken off by credit notes before it was paid.
    """

    reference: str
    status: str
    customer: str
    currency: str
    number: str
    metadata: Mapping[str, str]
    total_minor: int
    remaining_minor: int
    overpaid_minor: int
    noted_minor: int
    starting_balance_minor: int
    ending_balance_minor: int
    attempt_count: int
    next_attempt_at: dt.datetime | None
    paid_at: dt.datetime | None
    payments: tuple[RemoteInvoicePayment, ...] = ()

    @property
    def asked_minor(self) -> int:
        """Return what it asked its payer for as it was finalised."""
        moved = self.starting_balance_minor - self.ending_balance_minor
        return self.total_minor + moved


@dataclass(frozen=True, slots=True)
class CollectedPage:
    """Some invoices without their payments; `after` is where the next page begins."""

    invoices: tuple[CollectedInvoice, ...]
    after: str


class Collected(Subject):
    """Calls about what came of invoices."""

    @two_kinds_of_failure
    def invoice(self, reference: str) -> CollectedInvoice | None:
        """Return an invoice with all its payments, or None when there is none."""
        try:
            row = self._v1.invoices.retrieve(reference, {"expand": ["payments"]})
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise
        listed = getattr(row, "payments", None)
        if listed is None or listed.has_more:
            payments = self._payments({"invoice": reference, "limit": PAGE_ROWS})
        else:
            payments = tuple(_payment(each) for each in listed.data)
        return _collected(row, payments)

    @two_kinds_of_failure
    def invoices_of(self, intent: str) -> tuple[str, ...]:
        """Return which invoices a payment intent pays."""
        payment: sdk.InvoicePaymentListParamsPayment = {
            "type": "payment_intent",
            "payment_intent": intent,
        }
        found = self._payments({"payment": payment, "limit": PAGE_ROWS})
        return tuple(dict.fromkeys(each.invoice for each in found))

    @two_kinds_of_failure
    def invoice_payment(self, reference: str) -> RemoteInvoicePayment:
        """Return one payment of an invoice."""
        return _payment(self._v1.invoice_payments.retrieve(reference))

    @two_kinds_of_failure
    def open_page(self, *, after: str = "") -> CollectedPage:
        """Return a page of the invoices that are open, the latest first."""
        return self._page({"status": "open"}, after)

    @two_kinds_of_failure
    def page_of(
        self, *, since: dt.datetime, until: dt.datetime, after: str = ""
    ) -> CollectedPage:
        """Return a page of the invoices made from `since` to `until`, latest first."""
        made: sdk.InvoiceListParamsCreated = {
            "gte": int(since.timestamp()),
            "lte": int(until.timestamp()),
        }
        return self._page({"created": made}, after)

    def _page(self, params: sdk.InvoiceListParams, after: str) -> CollectedPage:
        params["limit"] = PAGE_ROWS
        if after:
            params["starting_after"] = after
        listed = self._v1.invoices.list(params)
        return CollectedPage(
            invoices=tuple(_collected(row, ()) for row in listed.data),
            after=listed.data[-1].id if listed.data and listed.has_more else "",
        )

    def _payments(
        self, params: sdk.InvoicePaymentListParams
    ) -> tuple[RemoteInvoicePayment, ...]:
        listed = self._v1.invoice_payments.list(params)
        return tuple(_payment(row) for row in listed.auto_paging_iter())


def instant(seconds: int | None) -> dt.datetime | None:
    """Return a time of Stripe's as an instant."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def _collected(
    row: stripe.Invoice, payments: tuple[RemoteInvoicePayment, ...]
) -> CollectedInvoice:
    starting = row.starting_balance
    ending = row.ending_balance
    return CollectedInvoice(
        reference=row.id,
        status=row.status or "",
        customer=id_of(row.customer),
        currency=row.currency,
        number=row.number or "",
        metadata=metadata_of(row.metadata),
        total_minor=row.total,
        remaining_minor=row.amount_remaining,
        overpaid_minor=row.amount_overpaid,
        noted_minor=row.pre_payment_credit_notes_amount,
        starting_balance_minor=starting,
        # Of a draft nothing has moved yet.
        ending_balance_minor=starting if ending is None else ending,
        attempt_count=row.attempt_count,
        next_attempt_at=instant(row.next_payment_attempt),
        paid_at=instant(row.status_transitions.paid_at),
        payments=payments,
    )


def _payment(row: stripe.InvoicePayment) -> RemoteInvoicePayment:
    # What it was not paid with is not even named.
    return RemoteInvoicePayment(
        reference=row.id,
        invoice=id_of(row.invoice),
        status=row.status,
        amount_minor=row.amount_paid or 0,
        intent=id_of(getattr(row.payment, "payment_intent", None)),
        charge=id_of(getattr(row.payment, "charge", None)),
        paid_at=instant(row.status_transitions.paid_at),
    )
