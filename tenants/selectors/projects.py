"""Reads of projects."""

from django.db.models import QuerySet

from kit.errors import NotFound
from tenants.models import (
    Project,
    Tenant,
)


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
