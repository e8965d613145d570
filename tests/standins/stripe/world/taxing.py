"""Who pays which taxes, and how much on an amount: computed per line, rounded half up.

A customer whose place is not known cannot be taxed: `customer_tax_location_invalid`.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError, refused
from tests.standins.stripe.world import tax_rates
from tests.standins.stripe.world.tax_rates import EU_VAT, Tax

# Where one postal code or state is the least that tells the taxes apart.
_NEEDS = {"US": ("postal_code", "state"), "CA": ("postal_code", "state")}
_NOT_RECOGNISED = (
    "The customer's location isn't recognized. Set a valid customer address in order to"
    " automatically calculate tax."
)


@dataclass(frozen=True, slots=True)
class Payer:
    """What decides a customer's taxes."""

    address: Json | None
    exempt: str = "none"
    vat_ids: tuple[str, ...] = ()

    @property
    def is_located(self) -> bool:
        """Tell whether the address is enough to know the taxes."""
        address = self.address or {}
        country = address.get("country") or ""
        if len(country) != 2 or not country.isalpha() or not country.isupper():
            return False
        needs = _NEEDS.get(country, ())
        return not needs or any(address.get(name) for name in needs)

    def taxes(self, seller: str) -> tuple[Tax, ...]:
        """Return the taxes to pay to a seller of this country.

        Raises the refusal of a place that is not known.
        """
        if not self.is_located or self.address is None:
            raise not_located()
        country = self.address["country"]
        due = tax_rates.taxes_of(country, self.address.get("state"))
        is_business_abroad = country in EU_VAT and bool(self.vat_ids)
        if self.exempt == "exempt":
            return tuple(tax.untaken("customer_exempt") for tax in due)
        if self.exempt == "reverse" or (is_business_abroad and country != seller):
            return tuple(tax.untaken("reverse_charge") for tax in due)
        return due


def payer_of(account: Account, customer: Json) -> Payer:
    """Return what decides the taxes of a customer."""
    ids = [
        row["value"]
        for row in account.rows["tax_id"].values()
        if row["customer"] == customer["id"] and row["type"] == "eu_vat"
    ]
    return Payer(customer["address"], customer["tax_exempt"], tuple(ids))


def not_located() -> ApiError:
    """Return the refusal of a customer whose place is not known."""
    return refused(_NOT_RECOGNISED, code="customer_tax_location_invalid")


def amount_of(tax: Tax, amount: int) -> int:
    """Return a tax on an amount without it."""
    exact = amount * tax.percentage / 100
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def applied(account: Account, taxes: tuple[Tax, ...], amount: int) -> list[Json]:
    """Return the taxes on a line's amount as an invoice's line shows them."""
    return [
        {
            "amount": amount_of(tax, amount),
            "tax_behavior": "exclusive",
            "tax_rate_details": {"tax_rate": tax_rates.row_of(account, tax)["id"]},
            "taxability_reason": tax.reason,
            "taxable_amount": amount if tax.percentage else 0,
            "type": "tax_rate_details",
        }
        for tax in taxes
    ]


def summed(taxes: list[Json]) -> list[Json]:
    """Return the taxes of all lines together, one row for each rate."""
    sums: dict[tuple[str, str, str], Json] = {}
    for tax in taxes:
        rate = tax["tax_rate_details"]["tax_rate"]
        mark = (rate, tax["taxability_reason"], tax["tax_behavior"])
        if mark not in sums:
            sums[mark] = {**tax, "amount": 0, "taxable_amount": 0}
        sums[mark]["amount"] += tax["amount"]
        sums[mark]["taxable_amount"] += tax["taxable_amount"]
    return list(sums.values())
