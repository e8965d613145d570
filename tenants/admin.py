"""Operators' pages of tenants, projects and API keys.

An issued key's text is rendered once, into the answer to the form that asked for it: it
goes into no message, session or log.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from kit.admin import (
    Confirmation,
    ReadOnlyInline,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from tenants import selectors, services
from tenants.models import ApiKey, Project, Tenant


class _SuspendForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count the keys."""
        keys = selectors.api_keys(
            now=timezone.now(), tenant_id=int(object_id), active=True
        )
        return f"Active API keys refused from now on: {keys.count()}."


class _ArchiveForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count the keys."""
        keys = selectors.api_keys(
            now=timezone.now(), project_id=int(object_id), active=True
        )
        return f"Active API keys that stop for good: {keys.count()}."


class _ProjectInline(ReadOnlyInline):
    model = Project
    fields = ("slug", "name", "created_at", "archived_at")
    readonly_fields = fields


class _KeyInline(ReadOnlyInline):
    model = ApiKey
    fields = ("name", "shown", "created_at", "expires_at", "revoked_at")
    readonly_fields = fields


class _ProjectChoice(ModelChoiceField):  # type: ignore[type-arg]
    """A project said with its tenant: slugs are unique only within one."""

    def label_from_instance(self, obj: Any) -> str:
        """Return `tenant / project`."""
        return f"{obj.tenant.slug} / {obj.slug}"


@admin.register(Tenant)
class TenantAdmin(ServiceAdmin):
    """Tenants: create, change, suspend, restore."""

    list_display = ("slug", "name", "status", "currency", "zone", "created_at")
    list_filter = ("state", "currency")
    search_fields = ("slug", "name", "billing_email")
    fields = (
        ("slug", "name"),
        ("currency", "zone"),
        "billing_email",
        ("state", "created_at"),
    )
    readonly_fields = ("state", "created_at")
    fixed_fields = ("slug", "currency")
    inlines = (_ProjectInline, _KeyInline)
    actions_detail = ("suspend", "restore")

    @state_label(ordering="state", active="success", suspended="danger")
    def status(self, row: Tenant) -> str:
        """Show the state as a label."""
        return row.state

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Tenant:
        """Create the tenant with its default project."""
        return services.create_tenant(**values)

    def update(self, row: Tenant, changes: Mapping[str, Any]) -> Tenant:
        """Change the tenant."""
        return services.update_tenant(tenant=row, **changes)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what belongs to a tenant once there is one."""
        return self.inlines if obj else ()

    @confirmed_action(
        label="Suspend",
        explanation="Every call of this tenant is refused until it is restored.",
        icon="pause",
        is_danger=True,
        form=_SuspendForm,
    )
    def suspend(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Suspend the tenant."""
        return self.act(
            request,
            object_id,
            lambda row: services.suspend_tenant(tenant=row),
            done="Suspended.",
        )

    @confirmed_action(
        label="Restore",
        explanation="This tenant may call again at once.",
        icon="play_arrow",
    )
    def restore(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Restore the tenant."""
        return self.act(
            request,
            object_id,
            lambda row: services.restore_tenant(tenant=row),
            done="Restored.",
        )


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
    inlines = (_KeyInline,)
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


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    """API keys: issue, rename, revoke."""

    list_display = (
        "name",
        "shown",
        "tenant",
        "project",
        "status",
        "created_at",
        "expires_at",
    )
    list_filter = (
        ("revoked_at", admin.EmptyFieldListFilter),
        ("expires_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant", "project")
    search_fields = ("name", "shown", "tenant__slug", "project__slug")
    fields = ("project", "name", "expires_at")
    actions_detail = ("revoke",)
    actions_row = ("revoke",)

    @state_label(
        active="success",
        suspended="warning",
        expired="warning",
        archived="warning",
        revoked="danger",
    )
    def status(self, row: ApiKey) -> str:
        """Show the state as a label."""
        if row.revoked_at is not None:
            return "revoked"
        if row.project.archived_at is not None:
            return "archived"
        if row.expires_at is not None and row.expires_at <= timezone.now():
            return "expired"
        if row.tenant.state == Tenant.State.SUSPENDED:
            return "suspended"
        return "active"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Read keys with what names them."""
        rows: QuerySet[ApiKey] = super().get_queryset(request)
        return rows.select_related("tenant", "project")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new key needs; show all there is of one."""
        if obj is None:
            return self.fields
        return (
            ("tenant", "project"),
            ("name", "shown"),
            ("created_at", "expires_at"),
            "revoked_at",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the name and expiry of a key that is not revoked."""
        if obj is None:
            return ()
        fixed = ("tenant", "project", "shown", "created_at", "revoked_at")
        return (*fixed, "name", "expires_at") if obj.revoked_at else fixed

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the open projects, each with its tenant."""
        projects = selectors.projects(archived=False).select_related("tenant")
        return _ProjectChoice(
            queryset=projects.order_by("tenant__slug", "slug"),
            widget=UnfoldAdminSelectWidget(),
        )

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> ApiKey:
        """Issue the key and hand its text to the answer of this request."""
        project = values["project"]
        issued = services.issue_key(tenant=project.tenant, **values)
        request.issued_key = issued.key  # type: ignore[attr-defined]
        return issued.row

    def update(self, row: ApiKey, changes: Mapping[str, Any]) -> ApiKey:
        """Rename the key or move its expiry."""
        return services.update_key(api_key=row, **changes)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None
    ) -> HttpResponse:
        """Show the new key, this once."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API key issued",
            "opts": self.opts,
            "original": obj,
            "issued_key": request.issued_key,  # type: ignore[attr-defined]
        }
        response = TemplateResponse(request, "tenants/key_issued.html", context)
        # Going back in the browser must not bring the key up again.
        response["Cache-Control"] = "no-store"
        return response

    @confirmed_action(
        label="Revoke",
        explanation="The key stops opening the door within a second, for good.",
        icon="block",
        is_danger=True,
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Revoke the key."""
        return self.act(
            request,
            object_id,
            lambda row: services.revoke_key(api_key=row, now=timezone.now()),
            done="Revoked.",
        )
