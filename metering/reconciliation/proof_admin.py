"""Operators' pages of what runs counted: proofs of epochs, and engines' own counts.

Both are only read. An epoch of which something is missing, and an engine whose counts
differ, is a case besides.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from kit.admin import ReadOnlyAdmin, state_label
from metering.reconciliation.engines.known import RULES
from metering.reconciliation.listing import listed
from metering.reconciliation.models import EngineProcess, EpochProof

_LOST = "{:,} requests seen only as a difference"


class _Complete(admin.SimpleListFilter):
    """Whether anything is missing of an epoch."""

    title = "complete"
    parameter_name = "complete"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer both."""
        return [("1", "Yes"), ("0", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        whole = {"is_numbered": True, "is_settled": True, "is_counted": True}
        if self.value() == "1":
            return queryset.filter(**whole)
        if self.value() == "0":
            return queryset.exclude(**whole)
        return queryset


@admin.register(EpochProof)
class EpochProofAdmin(ReadOnlyAdmin):
    """Epochs: admitted is settled, voided and open; numbers without a gap."""

    list_display = (
        "epoch",
        "status",
        "admitted",
        "settled",
        "voided",
        "still_open",
        "numbers",
        "originals",
        "rolled_seq",
        "heartbeat_at",
    )
    list_filter = ("is_closed", _Complete)
    list_select_related = ("epoch",)
    search_fields = ("epoch__gateway",)
    search_help_text = "Gateway, id"
    empty_says = "Each run proves the epochs that were at work in its window."
    fields = (
        ("epoch", "run"),
        ("status", "heartbeat_at"),
        ("admitted", "settled", "voided", "still_open"),
        ("numbers", "originals", "rolled_seq"),
    )
    readonly_fields = ("status", "still_open", "numbers")
    ordering = ("-epoch_id",)

    @state_label(complete="success", running="info", incomplete="danger")
    def status(self, row: EpochProof) -> str:
        """Show whether anything is missing; of an open epoch, as of its heartbeat."""
        if not row.is_complete:
            return "incomplete"
        return "complete" if row.is_closed else "running"

    @admin.display(description="open", ordering="left_open")
    def still_open(self, row: EpochProof) -> str:
        """Show what is at work, or was lost with its host."""
        if row.is_closed and row.left_open:
            return _LOST.format(row.left_open)
        return f"{row.left_open:,}"

    @admin.display(description="numbers")
    def numbers(self, row: EpochProof) -> str:
        """Show up to where events are numbered, and how many there are."""
        if row.is_numbered:
            return f"1 to {row.last_seq:,}"
        return f"1 to {row.last_seq:,}, but {row.events:,} up to {row.greatest_seq:,}"


@admin.register(EngineProcess)
class EngineProcessAdmin(ReadOnlyAdmin):
    """Engines, a row for each time that one was started, and what they counted."""

    list_display = (
        "address",
        "number",
        "engine",
        "status",
        "prompt_tokens",
        "generated_tokens",
        "last_read_at",
        "problem",
    )
    list_filter = ("engine", "is_shared")
    search_fields = ("address",)
    search_help_text = "Address, id"
    empty_says = "The engines of active replicas are read each minute."
    fields = (
        ("address", "number"),
        ("engine", "started_at"),
        "replica_ids",
        ("first_read_at", "last_read_at"),
        ("prompt_tokens", "generated_tokens"),
        ("tried_at", "problem"),
        "differences",
    )
    readonly_fields = ("differences",)
    ordering = ("-id",)

    @state_label(read="success", unread="warning", counts_nothing="info")
    def status(self, row: EngineProcess) -> str:
        """Show whether it is read."""
        if row.problem:
            return "unread" if row.engine else "counts nothing"
        return "read"

    @admin.display(description="known differences")
    def differences(self, row: EngineProcess) -> SafeString | str:
        """Show how its counts may rightly differ from what was metered."""
        rules = RULES.get(row.engine)
        return listed((each,) for each in rules.reasons) if rules else "-"
