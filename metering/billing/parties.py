"""Who sells and who buys, as an invoice keeps it from the moment that it is issued."""

from kit.json_values import JsonObject
from metering.billing.models import BillingProfile, Seller
from tenants.models import Tenant

_SAID = ("address", "country", "tax_id", "email", "bank_details", "footer")


def seller_details(seller: Seller) -> JsonObject:
    """Return what a seller says of itself now."""
    said: JsonObject = {"name": seller.name}
    return said | {name: getattr(seller, name) for name in _SAID}


def buyer_details(tenant: Tenant) -> JsonObject:
    """Return who a tenant is to a bill now; without a profile, its name."""
    profile = BillingProfile.objects.filter(tenant=tenant).first()
    profile = profile or BillingProfile(tenant=tenant)
    return {
        "name": profile.legal_name or tenant.name,
        "address": profile.address,
        "country": profile.country,
        "region": profile.region,
        "tax_id": profile.tax_id,
        "po_number": profile.po_number,
        "email": tenant.billing_email,
    }
