"""Take over the tax that Stripe computed on a draft: rate, place and amount.

Failure: `NotLocated` where Stripe cannot tell where the buyer is taxed, in words that
say what to give; `Differs` where it counts tax as part of our prices.
"""

from metering.billing import taxing
from metering.billing.models import BillingProfile, Invoice
from metering.billing.operations import OutcomeUnknown
from metering.billing.providers.stripe.client import RemoteInvoice, StripeAccount
from metering.billing.providers.stripe.comparison import Differs
from metering.billing.providers.stripe.mapping import in_our_unit
from metering.billing.taxing import ComputedTax

LOCATION_INVALID = "customer_tax_location_invalid"
BY = "Stripe"
# No tax, and nothing that a buyer has to read of it.
SILENT = frozenset(
    {"not_available", "not_collecting", "not_subject_to_tax", "not_supported"}
)
_BY_CODE = {"US": "its ZIP code", "CA": "its postal code"}


class NotLocated(Exception):
    """Stripe does not know where the buyer is taxed; says what is missing."""


def take_over(
    client: StripeAccount, invoice: Invoice, remote: RemoteInvoice
) -> Invoice:
    """Write what Stripe computed as our tax lines, and return the invoice with them."""
    if remote.tax_status == "requires_location_inputs":
        raise not_located(invoice.tenant_id)
    if remote.tax_status != "complete":
        raise OutcomeUnknown("Stripe has not computed the tax yet.")
    taxes = []
    for tax in remote.taxes:
        if tax.is_inclusive:
            raise Differs(
                "its tax is part of our prices: set Stripe's default tax behavior to"
                " exclusive"
            )
        if not tax.amount_minor and tax.reason in SILENT:
            continue
        rate = client.taxes.rate(tax.rate)
        taxes.append(
            ComputedTax(
                rate=tax.rate,
                name=rate.name,
                percent=rate.percent,
                jurisdiction=rate.jurisdiction,
                reason=tax.reason,
                taxable_minor=in_our_unit(tax.taxable_minor, invoice.currency),
                amount_minor=in_our_unit(tax.amount_minor, invoice.currency),
                by=BY,
            )
        )
    if invoice.number is None:
        taxing.write_computed(invoice, taxes)
        invoice.refresh_from_db()
    return invoice


def not_located(tenant_id: int) -> NotLocated:
    """Return what the buyer's billing profile lacks."""
    profile = BillingProfile.objects.filter(tenant_id=tenant_id).first()
    if profile is None or not profile.country:
        missing = "a country"
    elif profile.country in _BY_CODE:
        missing = f"an address with {_BY_CODE[profile.country]}, and its region"
    else:
        missing = "an address that Stripe knows"
    return NotLocated(
        f"Stripe cannot tell where the buyer is taxed: give its billing profile"
        f" {missing}."
    )
