"""Operators' pages of assignments: which tenant pays by which book, and when.

An assignment is never changed: another one takes its place, or it is ended.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import Confirmation, ServiceAdmin, confirmed_action
from metering.pricing import assigning, selectors
from metering.pricing.instants import shown
from metering.pricing.models import PriceBookAssignment
from metering.usage.epochs import database_now


class _EndForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say by which book the tenant pays then."""
        row = selectors.assignment(int(object_id))
        return (
            f"'{row.tenant}' has paid by {row.book} since {shown(row.starts_at)}, and "
            f"pays by the default book for {row.tenant.currency} from now on."
        )


@admin.register(PriceBookAssignment)
class PriceBookAssignmentAdmin(ServiceAdmin):
    """Which tenants pay by a book of their own."""

    list_display = ("tenant", "book", "starts_at", "ends_at")
    list_select_related = ("tenant", "book")
    search_fields = ("tenant__slug", "tenant__name", "book__name")
    search_help_text = "Tenant, book"
    empty_says = "Every tenant pays by the default book of its currency."
    list_filter = ("book", ("ends_at", admin.EmptyFieldListFilter))
    autocomplete_fields = ("tenant", "book")
    fields = (("tenant", "book"), ("starts_at", "ends_at"))
    fixed_fields = ("tenant", "book", "starts_at", "ends_at")
    ordering = ("-id",)
    actions_detail = ("end",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose that it begins now."""
        return {
            "starts_at": timezone.now().replace(microsecond=0),
            **super().get_changeform_initial_data(request),
        }

    def create(
        self, values: Mapping[str, Any], request: HttpRequest
    ) -> PriceBookAssignment:
        """Let the tenant pay by the book."""
        return assigning.assign_book(now=database_now(), **values)

    def update(
        self, row: PriceBookAssignment, changes: Mapping[str, Any]
    ) -> PriceBookAssignment:
        """Leave it as it is: another one takes its place."""
        return row

    @confirmed_action(
        label="End now",
        explanation="What was used until now keeps its price.",
        icon="event_busy",
        is_danger=True,
        form=_EndForm,
    )
    def end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the tenant pay by the default book again."""
        return self.act(
            request,
            object_id,
            lambda row: assigning.end_assignment(assignment=row, now=database_now()),
            done="Ended.",
        )
