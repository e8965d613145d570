"""Writes of projects."""

import datetime as dt

from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from tenants.models import Project, Tenant

DEFAULT_PROJECT = "default"


def create_project(*, tenant: Tenant, slug: str, name: str) -> Project:
    """Create a project of a tenant.

    Raises `Conflict` when the tenant has one of that slug.
    """
    project = Project(tenant=tenant, slug=slug, name=name)
    create(project)
    return project


def rename_project(*, project: Project, name: str) -> Project:
    """Give a project another name; its slug stays."""
    with atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        change(row, {"name": name})
    return row


def archive_project(*, project: Project, now: dt.datetime) -> Project:
    """Close a project: its keys stop opening the door, its usage stays. Idempotent."""
    with atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        if row.archived_at is None:
            change(row, {"archived_at": now}, action="archive")
    return row
