"""Operators' pages of what a provider holds of invoices: read only.

Nothing is mended here: what differs is set right where it is wrong, and the next
reading says whether it agrees. The pages of credit that is being paid for are in
`buying_admin`, those of what it is told in `outgoing_admin` and `meters_admin`.
"""

from django.contrib import admin

from kit.admin import ReadOnlyAdmin, state_label
from kit.money import format_minor
from metering.collection import buying_admin, meters_admin, outgoing_admin
from metering.collection.models import (
    Comparison,
    Dispute,
    ProviderRefund,
    Standing,
)

__all__ = ("StandingAdmin", "buying_admin", "meters_admin", "outgoing_admin")


@admin.register(Standing)
class StandingAdmin(ReadOnlyAdmin):
    """How invoices stand at their provider, and where that is otherwise than here."""

    list_display = (
        "invoice",
        "tenant",
        "status",
        "remaining",
        "failure",
        "next_attempt_at",
        "difference",
        "differs_since",
    )
    list_filter = (
        ("differs_since", admin.EmptyFieldListFilter),
        "status",
        "account",
    )
    list_select_related = ("invoice", "tenant")
    search_fields = ("reference", "invoice__number", "tenant__slug")
    search_help_text = "Number, reference, tenant, id"
    empty_says = "No invoice was read at a billing provider yet."
    fields = (
        ("invoice", "tenant"),
        ("account", "reference"),
        ("status", "remaining"),
        ("attempt_count", "next_attempt_at"),
        ("failure", "failed_at"),
        ("difference", "differs_since"),
        "read_at",
    )
    readonly_fields = ("remaining",)
    ordering = ("-invoice_id",)

    @admin.display(description="open there", ordering="remaining_minor")
    def remaining(self, row: Standing) -> str:
        """Show what is open there."""
        return format_minor(row.remaining_minor, row.invoice.currency)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """Payments that their payers' banks dispute; evidence is handed in there."""

    list_display = (
        "reference",
        "tenant",
        "invoice",
        "shown",
        "amount",
        "reason",
        "opened_at",
        "evidence_due_at",
    )
    list_filter = ("status", "account")
    list_select_related = ("invoice", "tenant")
    search_fields = ("reference", "tenant__slug", "invoice__number")
    search_help_text = "Reference, invoice, tenant, id"
    empty_says = "No payment was disputed."
    fields = (
        ("reference", "shown"),
        ("tenant", "invoice"),
        ("amount", "reason"),
        ("opened_at", "evidence_due_at"),
        ("account", "read_at"),
    )
    readonly_fields = ("shown", "amount")
    ordering = ("-id",)

    @state_label(
        ordering="status",
        needs_response="danger",
        warning_needs_response="danger",
        appeal_needs_response="danger",
        under_review="warning",
        won="success",
        lost="danger",
    )
    def shown(self, row: Dispute) -> str:
        """Show the status as a label."""
        return row.status

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, row: Dispute) -> str:
        """Show what is disputed."""
        return format_minor(row.amount_minor, row.invoice.currency)


@admin.register(ProviderRefund)
class ProviderRefundAdmin(ReadOnlyAdmin):
    """Refunds at a provider, and whether they came."""

    list_display = ("reference", "tenant", "invoice", "status", "amount", "failure")
    list_filter = ("status", "account")
    list_select_related = ("invoice", "tenant")
    search_fields = ("reference", "tenant__slug", "invoice__number")
    search_help_text = "Reference, invoice, tenant, id"
    empty_says = "Nothing was paid back at a billing provider."
    fields = (
        ("reference", "status"),
        ("tenant", "invoice"),
        ("amount", "failure"),
        ("account", "read_at"),
    )
    readonly_fields = ("amount",)
    ordering = ("-id",)

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, row: ProviderRefund) -> str:
        """Show what was paid back."""
        return format_minor(row.amount_minor, row.invoice.currency)


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    """When all open invoices of an account were last held against ours."""

    list_display = ("account", "compared_at", "invoices", "problem")
    search_fields = ("account",)
    search_help_text = "Account, id"
    empty_says = "Open invoices are compared each night, once an account is set."
