"""Reads of tenants."""

from django.db.models import QuerySet

from kit.errors import NotFound
from tenants.models import (
    Tenant,
)


def tenants(*, state: str | None = None, slug: str | None = None) -> QuerySet[Tenant]:
    """List tenants."""
    rows = Tenant.objects.all()
    if state is not None:
        rows = rows.filter(state=state)
    if slug is not None:
        rows = rows.filter(slug=slug)
    return rows


def tenant(tenant_id: int) -> Tenant:
    """Return one tenant; raises `NotFound`."""
    row = Tenant.objects.filter(pk=tenant_id).first()
    if row is None:
        raise NotFound(f"There is no tenant {tenant_id}.")
    return row


def tenant_by_slug(slug: str) -> Tenant:
    """Return the tenant of this slug; raises `NotFound`."""
    row = Tenant.objects.filter(slug=slug).first()
    if row is None:
        raise NotFound(f"There is no tenant '{slug[:63]}'.")
    return row
