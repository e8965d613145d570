"""Writes of API keys.

Owns: that a key's text exists only in the `IssuedKey` handed to its caller.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from django.conf import settings

from kit import api_keys
from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from tenants.models import ApiKey, Project, Tenant


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key: its row, and its text, which is shown once and kept nowhere."""

    key: str = field(repr=False)
    row: ApiKey


class ApiKeyChanges(TypedDict, total=False):
    """What may change of an API key."""

    name: str
    expires_at: dt.datetime | None


def issue_key(
    *,
    tenant: Tenant,
    project: Project,
    name: str,
    expires_at: dt.datetime | None = None,
) -> IssuedKey:
    """Issue an API key for a project; the returned text can never be read again.

    Raises `InvalidRequest` for another tenant's or an archived project, or an expiry
    that is not in the future of the database's clock.
    """
    with atomic():
        # The lock keeps the project from being archived before the insert.
        owner = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if owner.tenant_id != tenant.pk:
            raise InvalidRequest(
                f"Project {owner.pk} does not belong to tenant {tenant.pk}.",
                param="project",
            )
        if owner.archived_at is not None:
            raise InvalidRequest(
                f"Project {owner.pk} is archived: name another one.", param="project"
            )
        key = api_keys.generate()
        row = ApiKey(
            tenant=tenant,
            project=owner,
            name=name,
            digest=api_keys.digest(key, settings.API_KEY_SECRET),
            shown=api_keys.shown(key),
            expires_at=expires_at,
        )
        create(row)
        if expires_at is not None and expires_at <= row.created_at:
            raise InvalidRequest("Give an expiry in the future.", param="expires_at")
    return IssuedKey(key=key, row=row)


def update_key(*, api_key: ApiKey, **changes: Unpack[ApiKeyChanges]) -> ApiKey:
    """Rename an API key or move its expiry.

    Raises `Conflict` when it is revoked: that is for good.
    """
    with atomic():
        row = ApiKey.objects.select_for_update().get(pk=api_key.pk)
        if row.revoked_at is not None:
            raise Conflict("The key is revoked and cannot change. Issue another one.")
        change(row, changes)
    return row


def revoke_key(*, api_key: ApiKey, now: dt.datetime) -> ApiKey:
    """Revoke an API key for good. Idempotent: the first instant stays."""
    with atomic():
        row = ApiKey.objects.select_for_update().get(pk=api_key.pk)
        if row.revoked_at is None:
            change(row, {"revoked_at": now})
    return row
