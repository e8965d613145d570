"""Stripe's API as far as invoices need it: typed answers, and two kinds of failure.

Failure: `CallRefused` when Stripe said no and the key is used up, `OutcomeUnknown` when
the request may or may not have been carried out. Owns nothing; the only module that
loads the SDK.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, cast

import stripe
from stripe import params as sdk

from metering.billing.operations import CallRefused, OutcomeUnknown

API_VERSION = "2026-10-28.endive"
# Retries inside one call, under one key, after a lost connection; the outbox does the
# rest.
NETWORK_RETRIES_MAX = 2
PAGE_ROWS = 100
_CLIENT_ERRORS = 400
_CONFLICT = 409
_SERVER_ERRORS = 500

# The SDK logs two lines a call; what a call did is in the outbox.
logging.getLogger("stripe").setLevel(logging.WARNING)

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RemoteInvoice:
    """An invoice as Stripe has it."""

    reference: str
    status: str
    customer: str
    currency: str
    total_minor: int
    number: str
    hosted_url: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RemoteLine:
    """A line as Stripe has it."""

    reference: str
    currency: str
    amount_minor: int
    metadata: Mapping[str, str]


def _two_kinds_of_failure(call: Callable[P, R]) -> Callable[P, R]:
    """Turn the SDK's errors into what they mean for the outbox."""

    @functools.wraps(call)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except stripe.StripeError as error:
            raise _meaning(error) from error

    return wrapped


def _meaning(error: stripe.StripeError) -> CallRefused | OutcomeUnknown:
    status = error.http_status
    text = error.user_message or type(error).__name__
    replayed = (error.headers or {}).get("idempotent-replayed") == "true"
    if isinstance(error, stripe.APIConnectionError) or status is None:
        return OutcomeUnknown(text)
    # It said yes in words that cannot be read.
    if status < _CLIENT_ERRORS:
        return OutcomeUnknown(text)
    # A request under this key is still running.
    if status == _CONFLICT:
        return OutcomeUnknown(text)
    # The first 500 may still be at work; replayed, it is all that this key will ever
    # say.
    if status >= _SERVER_ERRORS and not replayed:
        return OutcomeUnknown(text)
    return CallRefused(text)


class StripeAccount:
    """One Stripe account."""

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str = "",
        timeout_ms: int = 30_000,
        network_retries_max: int = NETWORK_RETRIES_MAX,
    ) -> None:
        self._client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base} if api_base else {},
            max_network_retries=network_retries_max,
            http_client=stripe.RequestsClient(timeout=timeout_ms / 1000),
        )

    @_two_kinds_of_failure
    def find_customer(self, metadata: tuple[str, str]) -> str | None:
        """Return the oldest customer whose metadata says so: reads the whole list."""
        name, value = metadata
        listed = self._client.v1.customers.list({"limit": PAGE_ROWS})
        found = [
            row.id
            for row in listed.auto_paging_iter()
            if _metadata(row.metadata).get(name) == value
        ]
        return found[-1] if found else None

    @_two_kinds_of_failure
    def create_customer(self, params: Mapping[str, object], *, key: str) -> str:
        """Create a customer and return its reference."""
        request = cast(sdk.CustomerCreateParams, params)
        return self._client.v1.customers.create(request, {"idempotency_key": key}).id

    @_two_kinds_of_failure
    def invoices_of(self, customer: str) -> list[RemoteInvoice]:
        """Return all invoices of a customer, newest first."""
        listed = self._client.v1.invoices.list(
            {"customer": customer, "limit": PAGE_ROWS}
        )
        return [_invoice(row) for row in listed.auto_paging_iter()]

    @_two_kinds_of_failure
    def invoice(self, reference: str) -> RemoteInvoice | None:
        """Return an invoice, or None when there is none: drafts can be deleted."""
        try:
            return _invoice(self._client.v1.invoices.retrieve(reference))
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise

    @_two_kinds_of_failure
    def create_invoice(
        self, params: Mapping[str, object], *, key: str
    ) -> RemoteInvoice:
        """Create a draft."""
        request = cast(sdk.InvoiceCreateParams, params)
        return _invoice(
            self._client.v1.invoices.create(request, {"idempotency_key": key})
        )

    @_two_kinds_of_failure
    def lines(self, reference: str) -> list[RemoteLine]:
        """Return every line of an invoice, page by page."""
        listed = self._client.v1.invoices.line_items.list(
            reference, {"limit": PAGE_ROWS}
        )
        return [_line(row) for row in listed.auto_paging_iter()]

    @_two_kinds_of_failure
    def add_lines(
        self, reference: str, lines: Sequence[Mapping[str, object]], *, key: str
    ) -> None:
        """Put lines on a draft."""
        request = cast(sdk.InvoiceAddLinesParams, {"lines": list(lines)})
        self._client.v1.invoices.add_lines(reference, request, {"idempotency_key": key})

    @_two_kinds_of_failure
    def set_number(self, reference: str, number: str, *, key: str) -> None:
        """Give a draft its number."""
        self._client.v1.invoices.update(
            reference, {"number": number}, {"idempotency_key": key}
        )

    @_two_kinds_of_failure
    def finalise(self, reference: str, *, key: str) -> RemoteInvoice:
        """Freeze a draft and open it to its payer; Stripe collects from then on."""
        return _invoice(
            self._client.v1.invoices.finalize_invoice(
                reference, {"auto_advance": True}, {"idempotency_key": key}
            )
        )


def _invoice(row: stripe.Invoice) -> RemoteInvoice:
    customer = row.customer
    return RemoteInvoice(
        reference=row.id,
        status=row.status or "",
        customer=customer if isinstance(customer, str) else getattr(customer, "id", ""),
        currency=row.currency,
        total_minor=row.total,
        number=row.number or "",
        hosted_url=row.hosted_invoice_url or "",
        metadata=_metadata(row.metadata),
    )


def _line(row: stripe.InvoiceLineItem) -> RemoteLine:
    return RemoteLine(
        reference=row.id,
        currency=row.currency,
        amount_minor=row.amount,
        metadata=_metadata(row.metadata),
    )


def _metadata(metadata: object) -> dict[str, str]:
    if metadata is None:
        return {}
    if isinstance(metadata, stripe.StripeObject):
        return dict(metadata.to_dict())
    return dict(cast(Mapping[str, str], metadata))
