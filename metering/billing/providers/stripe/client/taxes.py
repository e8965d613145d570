"""Tax rates: what a tax that Stripe computed is called, where, and how much."""

from dataclasses import dataclass
from decimal import Decimal

from metering.billing.providers.stripe.client.transport import (
    Subject,
    Transport,
    two_kinds_of_failure,
)

_RATES_MAX = 1000


@dataclass(frozen=True, slots=True)
class RemoteRate:
    """A tax rate as Stripe has it."""

    name: str
    percent: str
    jurisdiction: str


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
