"""Operators' pages of credit that is being paid for, and of what it is paid with."""

from django.contrib import admin

from kit.admin import ReadOnlyAdmin, state_label
from kit.money import format_minor
from metering.collection.models import PaymentMethod, Purchase


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Attempts at being paid for credit."""

    list_display = ("top_up", "tenant", "total", "way", "status", "problem", "asked_at")
    list_filter = ("state", "way", "account")
    list_select_related = ("tenant", "top_up")
    search_fields = ("tenant__slug", "tenant__name", "session", "intent")
    search_help_text = "Tenant, the provider's page or payment, id"
    empty_says = "Credit that is paid before it is invoiced is listed here."
    ordering = ("-id",)
    fields = (
        ("tenant", "top_up"),
        ("total", "tax_minor"),
        ("way", "account"),
        ("state", "problem"),
        ("customer", "method"),
        ("session", "intent"),
        "url",
        ("asked_at", "quoted_at", "ended_at"),
    )

    @state_label(
        ordering="state",
        asked="info",
        quoted="info",
        open="info",
        paid="success",
        failed="danger",
    )
    def status(self, row: Purchase) -> str:
        """Show how far it has come."""
        return row.state

    @admin.display(description="total")
    def total(self, row: Purchase) -> str:
        """Show what is paid, tax included, once that is quoted."""
        if row.quoted_at is None:
            return ""
        return format_minor(row.total_minor, row.currency)


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnlyAdmin):
    """What tenants can pay with, as the provider has it."""

    list_display = ("__str__", "tenant", "account", "kind", "is_default", "read_at")
    list_filter = ("is_default", "kind", "account")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name", "reference")
    search_help_text = "Tenant, reference, id"
    empty_says = "What tenants stored on the provider's pages is listed here."
    ordering = ("-id",)
    fields = (
        ("tenant", "account"),
        ("kind", "brand", "last4"),
        ("exp_month", "exp_year"),
        ("is_default", "reference"),
        "read_at",
    )
