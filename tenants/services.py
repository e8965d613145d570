"""Writes of tenants, projects and API keys.

Failure: what a caller may not do is a `kit.errors` error and nothing is written. Every
service is one transaction of the role in force, and publication to the gateways is part
of it. Owns: that a key's text exists only in the `IssuedKey` handed to its caller.
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

DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key: its row, and its text, which is shown once and kept nowhere."""

    key: str = field(repr=False)
    row: ApiKey


class TenantChanges(TypedDict, total=False):
    """What may change of a tenant; its slug and currency are on records for good."""

    name: str
    zone: str
    billing_email: str


class ApiKeyChanges(TypedDict, total=False):
    """What may change of an API key."""

    name: str
    expires_at: dt.datetime | None


def create_tenant(
    *,
    slug: str,
    name: str,
    currency: str = "USD",
    zone: str = "UTC",
    billing_email: str = "",
) -> Tenant:
    """Create a tenant with its default project.

    Raises `Conflict` when the slug is taken, `InvalidRequest` for a value out of form.
    """
    tenant = Tenant(
        slug=slug, name=name, currency=currency, zone=zone, billing_email=billing_email
    )
    with atomic():
        create(tenant)
        create_project(tenant=tenant, slug=DEFAULT_PROJECT, name="Default")
    return tenant


def update_tenant(*, tenant: Tenant, **changes: Unpack[TenantChanges]) -> Tenant:
    """Change a tenant; a new zone takes effect with its next billing period."""
    with atomic():
        row = Tenant.objects.select_for_update().get(pk=tenant.pk)
        change(row, changes)
    return row


def suspend_tenant(*, tenant: Tenant) -> Tenant:
    """Refuse every call of a tenant until it is restored. Idempotent."""
    return _set_state(tenant, Tenant.State.SUSPENDED)


def restore_tenant(*, tenant: Tenant) -> Tenant:
    """Let a suspended tenant call again. Idempotent."""
    return _set_state(tenant, Tenant.State.ACTIVE)


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
            change(row, {"archived_at": now})
    return row


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


def _set_state(tenant: Tenant, state: Tenant.State) -> Tenant:
    with atomic():
        row = Tenant.objects.select_for_update().get(pk=tenant.pk)
        change(row, {"state": state})
    return row
