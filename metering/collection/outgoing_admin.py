"""Operators' pages of what the provider is told of invoices, and what it is not yet."""

from django.contrib import admin

from kit.admin import ReadOnlyAdmin, state_label
from metering.collection.models import Outgoing


@admin.register(Outgoing)
class OutgoingAdmin(ReadOnlyAdmin):
    """Notes, refunds, write-offs and payments from elsewhere, on their way out."""

    list_display = ("kind", "tenant", "invoice", "status", "problem", "asked_at")
    list_filter = ("state", "kind", "account")
    list_select_related = ("tenant", "invoice")
    search_fields = ("tenant__slug", "invoice__number", "reference")
    search_help_text = "Tenant, invoice's number, reference, id"
    empty_says = "What is decided of a provider's invoices is told to it from here."
    ordering = ("-id",)
    fields = (
        ("kind", "invoice"),
        ("tenant", "account"),
        ("state", "reference"),
        "problem",
        ("asked_at", "try_at", "ended_at"),
    )

    @state_label(ordering="state", waiting="info", told="success")
    def status(self, row: Outgoing) -> str:
        """Show whether it was told."""
        return row.state
