"""Reads of tenants, projects and API keys.

Failure: a single row that is not there is a `NotFound` that says what was looked for.
Lists are lazy and narrowed by what is given; None means no narrowing.
"""

import datetime as dt

from django.conf import settings
from django.db.models import QuerySet

from kit import api_keys as credentials
from kit.acting import Actor, ActorKind
from kit.errors import NotFound
from kit.scopes import Scope
from tenants.models import (
    ApiKey,
    ManagementToken,
    Member,
    Project,
    ProjectMember,
    Tenant,
)
from tenants.roles import KEPT_TO_PROJECTS, scopes_of


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


def actor_of_token(token: str, *, now: dt.datetime) -> Actor | None:
    """Return who holds a management token; None for one that opens nothing.

    A personal token may do what both it and its member's role allow.
    """
    if not credentials.is_well_formed(
        token, credentials.TENANT_TOKEN_PREFIX, credentials.OPERATOR_TOKEN_PREFIX
    ):
        return None
    digest = credentials.digest(token, settings.MANAGEMENT_TOKEN_SECRET)
    rows = ManagementToken.objects.select_related("member").filter(digest=digest)
    row = rows.filter(revoked_at=None).exclude(expires_at__lte=now).first()
    if row is None:
        return None
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    if row.tenant_id is None:
        return Actor(ActorKind.OPERATOR_TOKEN, row.pk, scopes=scopes)
    member = row.member
    if member is None:
        return Actor(
            ActorKind.TENANT_TOKEN, row.pk, tenant_id=row.tenant_id, scopes=scopes
        )
    if member.removed_at is not None:
        return None
    return Actor(
        ActorKind.TENANT_TOKEN,
        row.pk,
        tenant_id=row.tenant_id,
        member_id=member.pk,
        scopes=scopes & scopes_of(member.role),
        project_ids=_projects_of(member),
    )


def _projects_of(member: Member) -> frozenset[int] | None:
    if member.role not in KEPT_TO_PROJECTS:
        return None
    places = ProjectMember.objects.filter(member=member)
    return frozenset(places.values_list("project_id", flat=True))
