"""Reads of members."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from kit.errors import NotFound
from tenants.models import ApiKey, Invitation, ManagementToken, Member


def members(
    *,
    tenant_id: int | None = None,
    role: str | None = None,
    email: str | None = None,
    search: str | None = None,
    project_id: int | None = None,
    removed: bool | None = None,
    project_ids: Collection[int] | None = None,
) -> QuerySet[Member]:
    """List members, with their places in projects.

    `project_ids` are the projects that the caller is kept to: it may know its
    colleagues, but not who is in a project beyond.
    """
    rows = Member.objects.prefetch_related("places")
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if role is not None:
        rows = rows.filter(role=role)
    if email is not None:
        rows = rows.filter(email__iexact=email)
    if search is not None:
        rows = rows.filter(Q(email__icontains=search) | Q(name__icontains=search))
    if removed is not None:
        rows = rows.filter(removed_at__isnull=not removed)
    if project_id is None:
        return rows
    if project_ids is not None and project_id not in project_ids:
        return rows.none()
    return rows.filter(places__project_id=project_id)


def member(member_id: int) -> Member:
    """Return one member, with the places in projects; raises `NotFound`."""
    row = members().filter(pk=member_id).first()
    if row is None:
        raise NotFound(f"There is no member {member_id}.")
    return row


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much of a member's ends with the membership."""

    keys: int
    tokens: int
    invitations: int


def holdings(member: Member, *, now: dt.datetime) -> Holdings:
    """Count what removing a member would revoke."""
    offers = Invitation.objects.filter(
        invited_by=member, accepted_at=None, revoked_at=None, expires_at__gt=now
    )
    return Holdings(
        keys=ApiKey.objects.filter(member=member, revoked_at=None).count(),
        tokens=ManagementToken.objects.filter(member=member, revoked_at=None).count(),
        invitations=offers.count(),
    )
