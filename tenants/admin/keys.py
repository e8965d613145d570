"""Operators' pages of API keys.

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
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from tenants import selectors, services
from tenants.admin.limits_in_effect import ShowsLimits
from tenants.models import ApiKey, Tenant


class _ProjectChoice(ModelChoiceField):  # type: ignore[type-arg]
    """A project said with its tenant: slugs are unique only within one."""

    def label_from_instance(self, obj: Any) -> str:
        """Return `tenant / project`."""
        return f"{obj.tenant.slug} / {obj.slug}"


@admin.register(ApiKey)
class ApiKeyAdmin(ShowsLimits, ServiceAdmin):
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
