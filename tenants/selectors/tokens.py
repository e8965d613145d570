"""Reads of management tokens."""

import datetime as dt

from django.conf import settings

from kit import api_keys as credentials
from kit.acting import Actor, ActorKind
from kit.scopes import Scope
from tenants.models import (
    ManagementToken,
    Member,
    ProjectMember,
)
from tenants.roles import KEPT_TO_PROJECTS, scopes_of


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
