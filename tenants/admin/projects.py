"""Operators' pages of projects."""

from collections.abc import Mapping, Sequence
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
from tenants.admin.filters import KeysFilter
from tenants.admin.inlines import KeyInline
from tenants.admin.limits_in_effect import ShowsLimits
from tenants.admin.standings import ago, project_standings
from tenants.models import Project


class _ArchiveForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count the keys."""
        keys = selectors.api_keys(
            now=timezone.now(), project_id=int(object_id), active=True
        )
        return f"Active API keys that stop for good: {keys.count()}."


@admin.register(Project)
class ProjectAdmin(ShowsLimits, ServiceAdmin):
    """Projects: create, rename, archive."""

    list_display = (
        "slug",
        "name",
        "tenant",
        "status",
        "active_keys",
        "last_use",
        "since",
    )
    list_filter = (("archived_at", admin.EmptyFieldListFilter), KeysFilter)
    list_select_related = ("tenant",)
    search_fields = ("slug", "name", "tenant__slug", "tenant__name")
    search_help_text = "Slug, name, tenant, id"
    empty_says = "A tenant is made with its first project; more divide its use."
    autocomplete_fields = ("tenant",)
    fields = ("tenant", ("slug", "name"), ("created_at", "archived_at"))
    readonly_fields = ("created_at", "archived_at")
    fixed_fields = ("tenant", "slug")
    inlines = (KeyInline,)
    actions_detail = ("archive",)

    def look_up(self, rows: Sequence[Any]) -> None:
        """Read keys and use of a page of projects."""
        for row, standing in zip(rows, project_standings(rows), strict=True):
            row.standing = standing

    @admin.display(description="active keys")
    def active_keys(self, row: Any) -> str:
        """Show how many keys open the door, or would if the tenant may call."""
        return f"{row.standing.active_keys:,}"

    @admin.display(description="last use")
    def last_use(self, row: Any) -> str:
        """Show how long ago a key was used."""
        return ago(row.standing.last_used_at)

    @admin.display(description="created", ordering="id")
    def since(self, row: Project) -> Any:
        """Show when it was created; ids are given in that order."""
        return row.created_at

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
