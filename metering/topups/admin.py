"""Pages of top-ups: what was asked for, and how far it has come."""

from django.contrib import admin

from kit.admin import ReadOnlyAdmin, state_label
from kit.money import format_minor
from metering.topups.models import TopUp


@admin.register(TopUp)
class TopUpAdmin(ReadOnlyAdmin):
    """Credit that tenants buy."""

    list_display = ("reference", "tenant", "amount", "way", "status", "asked_at")
    list_filter = ("state", "way", "by_rule")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    search_help_text = "Tenant, id"
    empty_says = "Credit that tenants buy, or that rules buy for them, is listed here."
    ordering = ("-id",)
    fields = (
        ("tenant", "amount"),
        ("way", "by_rule"),
        ("state", "problem"),
        ("invoice", "grant"),
        ("asked_at", "ended_at"),
    )

    @state_label(
        ordering="state",
        due="info",
        pending="info",
        invoiced="warning",
        paid="success",
        failed="danger",
    )
    def status(self, row: TopUp) -> str:
        """Show how far it has come."""
        return row.state

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, row: TopUp) -> str:
        """Show the amount before tax, with its currency."""
        return format_minor(row.amount_minor, row.currency)
