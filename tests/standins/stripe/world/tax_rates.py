"""A small table of taxes by place, and the tax rates that invoices refer to.

Owns: the table. Its figures are plausible, not authoritative: what Stripe computes is
read back by the product, never predicted.
"""

from dataclasses import dataclass
from decimal import Decimal

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Route, on_account, on_object_alone
from tests.standins.stripe.world.objects import found, heed, listed, new

KIND = "tax_rate"
EU_VAT = {
    "AT": "20",
    "BE": "21",
    "CZ": "21",
    "DE": "19",
    "DK": "25",
    "ES": "21",
    "FI": "25.5",
    "FR": "20",
    "IE": "23",
    "IT": "22",
    "LU": "17",
    "NL": "21",
    "PL": "23",
    "PT": "23",
    "SE": "25",
}
_ELSEWHERE = {
    "AU": ("gst", "GST", "10"),
    "CH": ("vat", "VAT", "8.1"),
    "GB": ("vat", "VAT", "20"),
    "JP": ("jct", "JCT", "10"),
    "NO": ("vat", "VAT", "25"),
    "NZ": ("gst", "GST", "15"),
}


@dataclass(frozen=True, slots=True)
class Tax:
    """One tax of one place; of no percentage where none is taken, with the reason."""

    country: str
    kind: str
    name: str
    percentage: Decimal
    level: str = "country"
    state: str | None = None
    reason: str = "standard_rated"

    def untaken(self, reason: str) -> "Tax":
        """Return the tax that is not taken, for this reason."""
        zero = Decimal(0)
        place = (self.country, self.kind, self.name)
        return Tax(*place, zero, self.level, self.state, reason)


def _tax(country: str, kind: str, name: str, percentage: str) -> Tax:
    return Tax(country, kind, name, Decimal(percentage))


def _us(state: str, level: str, percentage: str) -> Tax:
    return Tax("US", "sales_tax", "Sales Tax", Decimal(percentage), level, state)


# What is a state's or a province's own; New York and Quebec take two taxes at once.
_BY_STATE = {
    ("US", "NY"): (_us("NY", "state", "4"), _us("NY", "city", "4.875")),
    ("US", "TX"): (_us("TX", "state", "6.25"), _us("TX", "city", "2")),
    ("US", "WA"): (_us("WA", "state", "6.5"), _us("WA", "city", "3.85")),
    ("US", "CA"): (_us("CA", "state", "0").untaken("not_subject_to_tax"),),
    ("CA", "ON"): (Tax("CA", "hst", "HST", Decimal(13), "state", "ON"),),
    ("CA", "QC"): (
        _tax("CA", "gst", "GST", "5"),
        Tax("CA", "qst", "QST", Decimal("9.975"), "state", "QC"),
    ),
    ("CA", "AB"): (_tax("CA", "gst", "GST", "5"),),
}


def taxes_of(country: str, state: str | None) -> tuple[Tax, ...]:
    """Return the taxes of a place; where the account collects none, it says so."""
    if country in EU_VAT:
        return (_tax(country, "vat", "VAT", EU_VAT[country]),)
    if country in _ELSEWHERE:
        kind, name, percentage = _ELSEWHERE[country]
        return (_tax(country, kind, name, percentage),)
    known = _BY_STATE.get((country, (state or "").upper()))
    if known is not None:
        return known
    kind = "sales_tax" if country == "US" else "vat"
    name = "Sales Tax" if country == "US" else "VAT"
    level = "state" if state else "country"
    none = Tax(country, kind, name, Decimal(0), level, state, "not_collecting")
    return (none,)


def row_of(account: Account, tax: Tax) -> Json:
    """Return the tax rate that stands for a tax, made when it is first needed."""
    mark = (tax.country, tax.state, tax.kind, tax.level, float(tax.percentage))
    for row in account.rows[KIND].values():
        place = (row["country"], row["state"], row["tax_type"])
        if (*place, row["jurisdiction_level"], row["percentage"]) == mark:
            return row
    return new(
        account,
        KIND,
        country=tax.country,
        display_name=tax.name,
        effective_percentage=float(tax.percentage),
        jurisdiction=tax.state or tax.country,
        jurisdiction_level=tax.level,
        percentage=float(tax.percentage),
        rate_type="percentage",
        state=tax.state,
        tax_type=tax.kind,
    )


def retrieve(account: Account, reference: str) -> Json:
    """Return a tax rate."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of tax rates, newest first."""
    heed(params, "active inclusive")
    rows = list(listed(account, KIND, params, by="active inclusive"))
    return page(rows, params, url="/v1/tax_rates")


ROUTES = (
    Route("GET", "/v1/tax_rates", sdk.TaxRateListParams, on_account(search)),
    Route(
        "GET",
        "/v1/tax_rates/{id}",
        sdk.TaxRateRetrieveParams,
        on_object_alone(retrieve),
    ),
)
