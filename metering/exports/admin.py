"""Operators' pages of exports: ask for a file, see it being made, fetch it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from rest_framework.request import Request

from kit.admin import ServiceAdmin, state_label
from kit.drf.files import file_answer
from kit.errors import Conflict, InvalidRequest
from metering.exports import selectors, services
from metering.exports.models import Export
from metering.exports.wanted import Wanted

_KIB = 1024


class _ExportForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Export
        fields = ("subject", "form", "tenant", "first_date", "end_date")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tenant" in self.fields:
            self.fields["tenant"].help_text = "Left empty, all tenants."

    def clean(self) -> dict[str, Any]:
        """Say what cannot be in a file beside its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            terms = {name: each for name, each in cleaned.items() if name != "tenant"}
            try:
                Wanted(**terms)
            except InvalidRequest as refused:
                self.add_error(refused.param, refused.message)
        return cleaned

    def validate_constraints(self) -> None:
        """Leave it to what was said above, in words."""


@admin.register(Export)
class ExportAdmin(ServiceAdmin):
    """Files of usage, ledger entries and invoice lines."""

    form = _ExportForm
    list_display = ("__str__", "form", "whose", "status", "row_count", "size", "file")
    list_filter = ("state", "subject", "form")
    list_select_related = ("tenant",)
    search_fields = ("=tenant__slug", "=sha256")
    search_help_text = "Tenant's slug, SHA-256 of a file, id"
    empty_says = "Nothing has been taken out of the books yet."
    autocomplete_fields = ("tenant",)
    fixed_fields = ("subject", "form", "tenant", "first_date", "end_date")
    fields = (
        ("subject", "form"),
        "tenant",
        ("first_date", "end_date"),
        ("state", "file"),
        "problem",
        ("row_count", "size", "complete_to"),
        "sha256",
        ("created_at", "made_at", "expires_at"),
    )
    readonly_fields = (
        "state",
        "file",
        "problem",
        "row_count",
        "size",
        "complete_to",
        "sha256",
        "created_at",
        "made_at",
        "expires_at",
    )
    ordering = ("-id",)

    def get_urls(self) -> Any:
        """Add the file itself."""
        fetch = self.admin_site.admin_view(self.fetch)
        mine = path("<int:export_id>/file/", fetch, name="exports_export_file")
        return [mine, *super().get_urls()]

    def fetch(self, request: HttpRequest, export_id: int) -> Any:
        """Send the file of an export that is ready, a piece at a time."""
        row = Export.objects.filter(pk=export_id).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        try:
            selectors.require_content(row)
        except Conflict as refused:
            messages.error(request, refused.message)
            back = reverse("admin:exports_export_change", args=(row.pk,))
            return HttpResponseRedirect(back)
        answer: Any = file_answer(
            Request(request),
            selectors.content(row, reader=None),
            content_type="text/csv",
            name=row.file_name,
            sha256=row.sha256,
            byte_count=row.byte_count or 0,
            headers={"x-tollgate-rows": str(row.row_count)},
        )
        return answer

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was asked for stays; another file is asked for anew."""
        return False

    @state_label(
        ordering="state",
        waiting="info",
        ready="success",
        failed="danger",
        expired="warning",
    )
    def status(self, row: Export) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="tenant")
    def whose(self, row: Export) -> str:
        """Show whose rows are in it."""
        return str(row.tenant) if row.tenant else "all"

    @admin.display(description="size")
    def size(self, row: Export) -> str:
        """Show how long the file is."""
        return "-" if row.byte_count is None else f"{row.byte_count / _KIB:,.1f} KiB"

    @admin.display(description="file")
    def file(self, row: Export) -> str:
        """Link to the file while it is there."""
        if row.state != Export.State.READY:
            return "-"
        address = reverse("admin:exports_export_file", args=(row.pk,))
        return format_html(
            '<a class="underline" href="{}">{}</a>', address, row.file_name
        )

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Export:
        """Ask for the file."""
        wanted: Any = dict(values)
        return services.ask_for_export(**wanted)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: Any = None
    ) -> HttpResponse:
        """Go to the file's own page, where it is to be found."""
        messages.success(request, "It is being made: load its page anew in a moment.")
        return HttpResponseRedirect(
            reverse("admin:exports_export_change", args=(obj.pk,))
        )
