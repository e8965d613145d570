"""Reads of tenants, projects and API keys.

Failure: a single row that is not there is a `NotFound` that says what was looked for.
Lists are lazy and narrowed by what is given; None means no narrowing.
"""

import datetime as dt

from django.db.models import QuerySet

from kit.errors import NotFound
from tenants.models import ApiKey, Project, Tenant


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


def projects(
    *,
    tenant_id: int | None = None,
    slug: str | None = None,
    archived: bool | None = None,
) -> QuerySet[Project]:
    """List projects."""
    rows = Project.objects.all()
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if slug is not None:
        rows = rows.filter(slug=slug)
    if archived is not None:
        rows = rows.filter(archived_at__isnull=not archived)
    return rows


def project(project_id: int) -> Project:
    """Return one project; raises `NotFound`."""
    row = Project.objects.filter(pk=project_id).first()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return row


def project_by_slug(*, tenant: Tenant, slug: str) -> Project:
    """Return a tenant's project of this slug; raises `NotFound`."""
    row = Project.objects.filter(tenant=tenant, slug=slug).first()
    if row is None:
        raise NotFound(f"Tenant '{tenant.slug}' has no project '{slug[:63]}'.")
    return row


def api_keys(
    *,
    now: dt.datetime,
    tenant_id: int | None = None,
    project_id: int | None = None,
    active: bool | None = None,
) -> QuerySet[ApiKey]:
    """List API keys; an active one opens the door now.

    It is neither revoked nor expired, its project open, its tenant not suspended.
    """
    rows = ApiKey.objects.all()
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if active is None:
        return rows
    opening = ApiKey.objects.active(now).filter(
        project__archived_at=None, tenant__state=Tenant.State.ACTIVE
    )
    return rows.filter(pk__in=opening) if active else rows.exclude(pk__in=opening)


def api_key(api_key_id: int) -> ApiKey:
    """Return one API key; raises `NotFound`."""
    row = ApiKey.objects.filter(pk=api_key_id).first()
    if row is None:
        raise NotFound(f"There is no API key {api_key_id}.")
    return row
