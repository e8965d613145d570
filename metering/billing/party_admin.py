"""Operators' pages of who sells and who buys, as invoices say it.

What is changed here stands on what is issued from then on; an issued invoice keeps what
it says. Failure: what the service refuses is said on the page.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kit.admin import ServiceAdmin
from metering.billing import services
from metering.billing.models import BillingProfile, Seller


@admin.register(Seller)
class SellerAdmin(ServiceAdmin):
    """Who issues invoices, and how far its numbers have come."""

    list_display = ("name", "number_prefix", "last_number", "country")
    search_fields = ("name",)
    search_help_text = "Name, id"
    empty_says = "The seller is written with the first invoice."
    ordering = ("name",)
    fields = (
        "name",
        ("number_prefix", "last_number"),
        "address",
        ("country", "tax_id", "email"),
        "bank_details",
        "footer",
    )
    fixed_fields = ("name",)
    readonly_fields = ("number_prefix", "last_number")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody add one: settings name who sells."""
        return False

    def update(self, row: Seller, changes: Mapping[str, Any]) -> Seller:
        """Say what it tells of itself."""
        said: Any = dict(changes)
        return services.describe_seller(seller=row, **said)


@admin.register(BillingProfile)
class BillingProfileAdmin(ServiceAdmin):
    """Who tenants are on their invoices."""

    list_display = ("tenant", "legal_name", "country", "tax_id", "po_number")
    list_filter = ("country",)
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name", "legal_name", "tax_id")
    search_help_text = "Tenant, legal name, tax id"
    empty_says = "A tenant without a profile is called by its name on invoices."
    ordering = ("tenant",)
    autocomplete_fields = ("tenant",)
    fields = (
        "tenant",
        ("legal_name", "po_number"),
        "address",
        ("country", "region", "tax_id"),
    )
    fixed_fields = ("tenant",)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> BillingProfile:
        """Say who the tenant is."""
        said: Any = dict(values)
        return services.set_billing_profile(**said)

    def update(self, row: BillingProfile, changes: Mapping[str, Any]) -> BillingProfile:
        """Say it anew."""
        said: Any = dict(changes)
        return services.set_billing_profile(tenant=row.tenant, **said)
