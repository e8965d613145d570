"""Operators' pages of tenants."""

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
from tenants.admin.inlines import KeyInline, ProjectInline
from tenants.models import Tenant


class _SuspendForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count the keys."""
        keys = selectors.api_keys(
            now=timezone.now(), tenant_id=int(object_id), active=True
        )
        return f"Active API keys refused from now on: {keys.count()}."


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
    inlines = (ProjectInline, KeyInline)
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
