"""Reads of tenants."""

import datetime as dt

from django.db.models import Q, QuerySet

from kit.errors import NotFound
from tenants.models import Tenant


def tenants(
    *,
    state: str | None = None,
    slug: str | None = None,
    plan: str | None = None,
    search: str | None = None,
    created_after: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
) -> QuerySet[Tenant]:
    """List tenants, each with its plan."""
    rows = Tenant.objects.select_related("plan")
    if state is not None:
        rows = rows.filter(state=state)
    if slug is not None:
        rows = rows.filter(slug=slug)
    if plan is not None:
        rows = rows.filter(plan__slug=plan)
    if search is not None:
        rows = rows.filter(
            Q(slug__icontains=search)
            | Q(name__icontains=search)
            | Q(billing_email__icontains=search)
        )
    if created_after is not None:
        rows = rows.filter(created_at__gte=created_after)
    if created_before is not None:
        rows = rows.filter(created_at__lt=created_before)
    return rows


def tenant(tenant_id: int) -> Tenant:
    """Return one tenant; raises `NotFound`."""
    row = tenants().filter(pk=tenant_id).first()
    if row is None:
        raise NotFound(f"There is no tenant {tenant_id}.")
    return row


def tenant_by_slug(slug: str) -> Tenant:
    """Return the tenant of this slug; raises `NotFound`."""
    row = tenants(slug=slug).first()
    if row is None:
        raise NotFound(f"There is no tenant '{slug[:63]}'.")
    return row
