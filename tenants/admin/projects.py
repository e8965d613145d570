"""Operators' pages of projects."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import (
    Confirmation,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from tenants import selectors, services
from tenants.admin.inlines import KeyInline
from tenants.models import Project


class _ArchiveForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count the keys."""
        keys = selectors.api_keys(
            now=timezone.now(), project_id=int(object_id), active=True
        )
        return f"Active API keys that stop for good: {keys.count()}."


@admin.register(Project)
class ProjectAdmin(ServiceAdmin):
    """Projects: create, rename, archive."""

    list_display = ("slug", "name", "tenant", "status", "created_at")
    list_filter = (("archived_at", admin.EmptyFieldListFilter),)
    list_select_related = ("tenant",)
    search_fields = ("slug", "name", "tenant__slug", "tenant__name")
    autocomplete_fields = ("tenant",)
    fields = ("tenant", ("slug", "name"), ("created_at", "archived_at"))
    readonly_fields = ("created_at", "archived_at")
    fixed_fields = ("tenant", "slug")
    inlines = (KeyInline,)
    actions_detail = ("archive",)

    @state_label(open="success", archived="warning")
    def status(self, row: Project) -> str:
        """Show the state as a label."""
        return "open" if row.archived_at is None else "archived"

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Project:
        """Create the project."""
        return services.create_project(**values)

    def update(self, row: Project, changes: Mapping[str, Any]) -> Project:
        """Rename the project."""
        return services.rename_project(project=row, **changes)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what belongs to a project once there is one."""
        return self.inlines if obj else ()

    @confirmed_action(
        label="Archive",
        explanation="Its keys stop opening the door for good; its usage stays.",
        icon="archive",
        is_danger=True,
        form=_ArchiveForm,
    )
    def archive(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Archive the project."""
        return self.act(
            request,
            object_id,
            lambda row: services.archive_project(project=row, now=timezone.now()),
            done="Archived.",
        )
