"""Tax: rates of what Stripe computed, and tax on sales that no invoice of its asks for.

A calculation says what tax a sale would have and changes nothing. A transaction tells
that it took place, once for its reference; another one, that a part of it was undone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import stripe
from stripe.params import tax as sdk

from metering.billing.providers.stripe.client.transport import (
    Subject,
    Transport,
    two_kinds_of_failure,
)

_RATES_MAX = 1000
# VAT, GST, HST and their like.
_ABBREVIATED = 4


@dataclass(frozen=True, slots=True)
class RemoteRate:
    """A tax rate as Stripe has it."""

    name: str
    percent: str
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class CalculatedTax:
    """One tax of a calculation; amounts as Stripe counts the currency."""

    name: str
    percent: str
    jurisdiction: str
    reason: str
    is_inclusive: bool
    taxable_minor: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class RemoteCalculation:
    """What a sale comes to with its taxes."""

    reference: str
    currency: str
    total_minor: int
    taxes: tuple[CalculatedTax, ...]


@dataclass(frozen=True, slots=True)
class RemoteSale:
    """A sale that was recorded for its tax, or a part of one that was undone.

    `lines` are its lines' references; the sums are below zero where it was undone.
    """

    reference: str
    currency: str
    net_minor: int
    tax_minor: int
    lines: tuple[str, ...]


class Taxes(Subject):
    """Calls about tax; a rate never changes, so each is read once."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._rates: dict[str, RemoteRate] = {}

    @two_kinds_of_failure
    def rate(self, reference: str) -> RemoteRate:
        """Return a tax rate."""
        known = self._rates.get(reference)
        if known is not None:
            return known
        row = self._v1.tax_rates.retrieve(reference)
        percent = f"{Decimal(str(row.percentage)).normalize():f}"
        where = [row.jurisdiction or row.country or "", row.jurisdiction_level or ""]
        rate = RemoteRate(row.display_name, percent, " ".join(filter(None, where)))
        if len(self._rates) < _RATES_MAX:
            self._rates[reference] = rate
        return rate

    @two_kinds_of_failure
    def calculate(self, params: Mapping[str, object], *, key: str) -> RemoteCalculation:
        """Compute the tax on a sale."""
        request = cast(sdk.CalculationCreateParams, params)
        row = self._v1.tax.calculations.create(request, {"idempotency_key": key})
        return RemoteCalculation(
            reference=row.id or "",
            currency=row.currency,
            total_minor=row.amount_total,
            taxes=tuple(_calculated(each) for each in row.tax_breakdown),
        )

    @two_kinds_of_failure
    def record(self, params: Mapping[str, object], *, key: str) -> RemoteSale:
        """Record that what was calculated was sold."""
        request = cast(
            sdk.TransactionCreateFromCalculationParams,
            {**params, "expand": ["line_items"]},
        )
        return _sale(
            self._v1.tax.transactions.create_from_calculation(
                request, {"idempotency_key": key}
            )
        )

    @two_kinds_of_failure
    def sale(self, reference: str) -> RemoteSale:
        """Return what was recorded."""
        return _sale(
            self._v1.tax.transactions.retrieve(reference, {"expand": ["line_items"]})
        )

    @two_kinds_of_failure
    def undo(self, params: Mapping[str, object], *, key: str) -> RemoteSale:
        """Record that a part of a sale was undone."""
        request = cast(
            sdk.TransactionCreateReversalParams, {**params, "expand": ["line_items"]}
        )
        return _sale(
            self._v1.tax.transactions.create_reversal(request, {"idempotency_key": key})
        )


def _calculated(row: stripe.tax.Calculation.TaxBreakdown) -> CalculatedTax:
    rate = row.tax_rate_details
    kind = (rate.tax_type or "tax").replace("_", " ")
    where = (rate.country, rate.state)
    return CalculatedTax(
        name=kind.upper() if len(kind) <= _ABBREVIATED else kind.capitalize(),
        percent=f"{Decimal(rate.percentage_decimal).normalize():f}",
        jurisdiction=" ".join(filter(None, where)),
        reason=row.taxability_reason,
        is_inclusive=row.inclusive,
        taxable_minor=row.taxable_amount,
        amount_minor=row.amount,
    )


def _sale(row: stripe.tax.Transaction) -> RemoteSale:
    lines = row.line_items.data if row.line_items else []
    return RemoteSale(
        reference=row.id,
        currency=row.currency,
        net_minor=sum(line.amount for line in lines),
        tax_minor=sum(line.amount_tax for line in lines),
        lines=tuple(line.id for line in lines),
    )
