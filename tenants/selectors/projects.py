"""Reads of projects.

`project_ids` are the projects that the caller is kept to: those beyond do not exist.
"""

import datetime as dt
from collections.abc import Collection

from django.db.models import Q, QuerySet

from kit.errors import NotFound
from tenants.models import Project, Tenant


def projects(
    *,
    tenant_id: int | None = None,
    slug: str | None = None,
    search: str | None = None,
    archived: bool | None = None,
    created_after: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
    project_ids: Collection[int] | None = None,
) -> QuerySet[Project]:
    """List projects."""
    rows = Project.objects.all()
    if project_ids is not None:
        rows = rows.filter(pk__in=project_ids)
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if slug is not None:
        rows = rows.filter(slug=slug)
    if search is not None:
        rows = rows.filter(Q(slug__icontains=search) | Q(name__icontains=search))
    if archived is not None:
        rows = rows.filter(archived_at__isnull=not archived)
    if created_after is not None:
        rows = rows.filter(created_at__gte=created_after)
    if created_before is not None:
        rows = rows.filter(created_at__lt=created_before)
    return rows


def project(project_id: int, *, project_ids: Collection[int] | None = None) -> Project:
    """Return one project; raises `NotFound`."""
    row = projects(project_ids=project_ids).filter(pk=project_id).first()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return row


def project_by_slug(*, tenant: Tenant, slug: str) -> Project:
    """Return a tenant's project of this slug; raises `NotFound`."""
    row = Project.objects.filter(tenant=tenant, slug=slug).first()
    if row is None:
        raise NotFound(f"Tenant '{tenant.slug}' has no project '{slug[:63]}'.")
    return row
