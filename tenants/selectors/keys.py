"""Reads of API keys."""

import datetime as dt

from django.db.models import QuerySet

from kit.errors import NotFound
from tenants.models import (
    ApiKey,
    Tenant,
)


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
