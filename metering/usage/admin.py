"""Operators' pages of usage: the runs of gateways, and how far each is rolled up."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kit.admin import ReadOnlyAdmin, state_label
from metering.usage.models import Epoch, RollupMark


@admin.register(Epoch)
class EpochAdmin(ReadOnlyAdmin):
    """Runs of gateway processes: what each admitted, settled and committed."""

    list_display = (
        "gateway",
        "epoch",
        "status",
        "heartbeat_at",
        "last_seq",
        "waiting",
        "admitted",
        "settled",
        "voided",
    )
    list_filter = ("state",)
    search_fields = ("gateway",)
    search_help_text = "Gateway, id"
    empty_says = "A gateway opens an epoch when it starts."
    ordering = ("-started_at",)

    @state_label(ordering="state", open="success", closed="info")
    def status(self, row: Epoch) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="events waiting for the rollup")
    def waiting(self, row: Epoch) -> int:
        """Show how many committed events are not rolled up yet."""
        try:
            return row.last_seq - row.rollupmark.rolled_seq
        except RollupMark.DoesNotExist:
            return row.last_seq

    def get_queryset(self, request: HttpRequest) -> QuerySet[Epoch]:
        """Read each epoch with its mark."""
        rows: QuerySet[Epoch] = super().get_queryset(request)
        return rows.select_related("rollupmark")
