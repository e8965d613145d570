"""Who sells and who buys, as an invoice keeps it from the moment that it is issued.

Failure: a bad value is an `InvalidRequest` that names its field. What was issued before
a change says what it said.
"""

from typing import TypedDict, Unpack

from kit.json_values import JsonObject
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from metering.billing.models import BillingProfile, Seller
from tenants.models import Tenant

_SAID = ("address", "country", "tax_id", "email", "bank_details", "footer")


class ProfileTerms(TypedDict, total=False):
    """What a billing profile says; what is not given stays."""

    legal_name: str
    address: str
    country: str
    region: str
    tax_id: str
    po_number: str


class SellerTerms(TypedDict, total=False):
    """What a seller says of itself on invoices; what is not given stays."""

    address: str
    country: str
    tax_id: str
    email: str
    bank_details: str
    footer: str


def set_billing_profile(
    *, tenant: Tenant, **said: Unpack[ProfileTerms]
) -> BillingProfile:
    """Say who a tenant is on the invoices that are issued from now on."""
    with atomic():
        # Two of one tenant take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        profile = BillingProfile.objects.filter(tenant=tenant).first()
        if profile is None:
            profile = BillingProfile(tenant=tenant, **said)
            create(profile)
        else:
            change(profile, said)
    return profile


def describe_seller(*, seller: Seller, **said: Unpack[SellerTerms]) -> Seller:
    """Say what a seller's invoices tell of it from now on."""
    with atomic():
        row = Seller.objects.select_for_update(no_key=True).get(pk=seller.pk)
        change(row, said)
    return row


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
