"""Operators' pages of adjustments: find a request, say what is right, see what was.

A new one is saved twice: the first save says what would change, the second does it.
Nothing of it can be changed afterwards; what was wrong is set right by another one.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kit.admin import ReadOnlyInline, ServiceAdmin, state_label
from kit.money import format_picos, quote_per_million
from metering.adjustments import services
from metering.adjustments.forms import (
    AdjustmentForm,
    ReratingForm,
    quote_of,
    scope_of,
    wanted_of,
)
from metering.adjustments.models import Adjustment, ReratedTenant, Rerating
from metering.adjustments.selectors import net_of
from metering.usage.selectors import database_now

_QUOTES = ("input_per_million", "cached_input_per_million", "output_per_million")


class _MadeOnce(ServiceAdmin):
    """Pages of rows that are made and never changed."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was set right stays as it was."""
        return False

    def update(self, row: Any, changes: Mapping[str, Any]) -> Model:
        """Leave the row as it is."""
        unchanged: Model = row
        return unchanged

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], **options: Any
    ) -> HttpResponse:
        """Say what would change as news: the page would call it an error."""
        if said := context["adminform"].form.take_preview():
            lines = format_html_join(
                SafeString("<br>"), "{}", ((line,) for line in said)
            )
            messages.warning(request, lines)
            context["errors"] = []
        answer: HttpResponse = super().render_change_form(request, context, **options)
        return answer


@admin.register(Adjustment)
class AdjustmentAdmin(_MadeOnce):
    """What was set right, for whom, by whom and why."""

    form = AdjustmentForm
    list_display = (
        "made_at",
        "tenant",
        "status",
        "request_id",
        "difference",
        "reason",
        "reference",
    )
    sortable_by = ()
    list_filter = ("kind",)
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "reference")
    search_help_text = "Tenant, reference, request id, id"
    empty_says = "A request that was metered wrongly is voided or corrected here."
    ordering = ("-id",)

    def rows_with(self, word: str) -> Sequence[QuerySet[Any]]:
        """Find the adjustments of a request."""
        try:
            request_id = UUID(word)
        except ValueError:
            return ()
        return (Adjustment.objects.filter(request_id=request_id).order_by(),)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for a request and what is right of it; show what was done."""
        if obj is None:
            tokens = (
                ("input_tokens", "cached_input_tokens"),
                ("output_tokens", "reasoning_tokens"),
            )
            return ("request_id", "kind", *tokens, "reason", "reference", "previewed")
        return (
            ("tenant", "kind", "made_at"),
            "request_id",
            ("project_id", "rerating"),
            "stood",
            "stands_after",
            ("difference", "stands_now"),
            "reason",
            ("reference", "made_by"),
        )

    @state_label(void="danger", correct="warning", rerate="info")
    def status(self, row: Adjustment) -> str:
        """Show the kind as a label."""
        return row.kind

    @admin.display(description="difference")
    def difference(self, row: Adjustment) -> str:
        """Show what is charged more, or less."""
        return _money(row, row.difference_picos)

    @admin.display(description="before")
    def stood(self, row: Adjustment) -> str:
        """Show what stood before."""
        return _counted(row.before, _money(row, row.charge_before_picos))

    @admin.display(description="after")
    def stands_after(self, row: Adjustment) -> str:
        """Show what it was set to."""
        return _counted(row.after, _money(row, row.charge_after_picos))

    @admin.display(description="stands now")
    def stands_now(self, row: Adjustment) -> str:
        """Show what stands of the request by now."""
        net = net_of(row)
        return "" if net is None else _money(row, net.charge_picos)

    @admin.display(description="by")
    def made_by(self, row: Adjustment) -> str:
        """Show who made it."""
        return _who(row)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show what is worked out of a row."""
        worked_out = ("stood", "stands_after", "difference", "stands_now", "made_by")
        return () if obj is None else (*worked_out, "made_at")

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Adjustment:
        """Set the request right."""
        return services.adjust_event(
            wanted=wanted_of(dict(values)),
            reason=values["reason"],
            reference=values["reference"],
        )


class _TenantInline(ReadOnlyInline):
    model = ReratedTenant
    verbose_name_plural = "re-rated tenants"
    fields = ("tenant", "requests", "before", "after")
    readonly_fields = fields
    ordering = ("tenant_id",)
    show_change_link = False
    hide_title = True
    tab = False
    per_page = 100

    @admin.display(description="charged before")
    def before(self, row: ReratedTenant) -> str:
        """Show what stood."""
        return format_picos(row.charge_before_picos)

    @admin.display(description="charged now")
    def after(self, row: ReratedTenant) -> str:
        """Show what stands."""
        return format_picos(row.charge_after_picos)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReratedTenant]:
        """Read the tenants' names along."""
        rows: QuerySet[ReratedTenant] = super().get_queryset(request)
        return rows.select_related("tenant")


@admin.register(Rerating)
class ReratingAdmin(_MadeOnce):
    """Use that was rated anew, and how far that has come."""

    form = ReratingForm
    list_display = (
        "created_at",
        "book",
        "model",
        "starts_at",
        "ends_at",
        "status",
        "reason",
    )
    sortable_by = ()
    list_filter = ("state",)
    list_select_related = ("book",)
    search_fields = ("model", "reference")
    search_help_text = "Model, reference, id"
    empty_says = "Use that was charged by a mistyped price is rated anew here."
    ordering = ("-id",)
    autocomplete_fields = ("book", "tenant")
    inlines = (_TenantInline,)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show the progress once there is a re-rating."""
        return self.inlines if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for the range and the right price; show what was decided."""
        # Two instants side by side are wider than the page.
        ranged = (("book", "model"), "tenant", "starts_at", "ends_at")
        if obj is None:
            return (*ranged, _QUOTES, "reason", "reference", "previewed")
        state = ("state", "created_at", "finished_at")
        return (*ranged, "corrected", "reason", ("reference", "made_by"), state)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show what is worked out of a row."""
        return () if obj is None else ("corrected", "made_by", "created_at")

    @state_label(running="warning", done="success")
    def status(self, row: Rerating) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="corrected price, per million")
    def corrected(self, row: Rerating) -> SafeString:
        """Show the price by class."""
        price = row.price
        shown = (
            ("input", quote_per_million(price.input_picos)),
            ("cached input", quote_per_million(price.cached_input_picos)),
            ("output", quote_per_million(price.output_picos)),
        )
        listed = format_html_join(", ", "{} {}", shown)
        return format_html("{} {}", listed, row.book.currency)

    @admin.display(description="by")
    def made_by(self, row: Rerating) -> str:
        """Show who decided on it."""
        return _who(row)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Rerating:
        """Decide on the re-rating; workers do it."""
        return services.start_rerating(
            scope=scope_of(dict(values)),
            quote=quote_of(dict(values)),
            reason=values["reason"],
            reference=values["reference"],
            now=database_now(),
        )


def _money(row: Adjustment, picos: int) -> str:
    return f"{format_picos(picos)} {row.currency}"


def _who(row: Adjustment | Rerating) -> str:
    kind = row.actor_kind.replace("_", " ")
    return kind if row.actor_id is None else f"{kind} {row.actor_id}"


def _counted(counts: Mapping[str, int], money: str) -> str:
    said = ", ".join(
        f"{number:,} {name.removesuffix('_tokens').replace('_', ' ')}"
        for name, number in counts.items()
        if number
    )
    return f"{said or 'nothing'} for {money}"
