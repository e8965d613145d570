"""Writes of who is in which project, and of what goes when a member loses reach."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import QuerySet

from kit.orm.audited import tell, values
from kit.orm.saving import change, create
from kit.scopes import Scope
from tenants.models import (
    ApiKey,
    Invitation,
    ManagementToken,
    Member,
    Project,
    ProjectMember,
)
from tenants.roles import KEPT_TO_PROJECTS, scopes_of


def add_places(member: Member, projects: Iterable[Project]) -> None:
    """Put a member into projects; the caller holds the members' turn."""
    for project in projects:
        place = ProjectMember(
            tenant_id=member.tenant_id, project=project, member=member
        )
        create(place, action="add")


def drop_places(places: QuerySet[ProjectMember]) -> None:
    """Take a member out of projects; that he was there is told to the audit."""
    for place in places.order_by("pk"):
        tell(place, action="remove", before=values(place))
        place.delete()


def revoke_all(member: Member, now: dt.datetime) -> None:
    """Revoke all that a member leaves behind: keys, tokens, offers he has made."""
    for rows in (_keys(member), _tokens(member), _offers(member, now)):
        for row in rows:
            change(row, {"revoked_at": now}, action="revoke")


def keep_within_reach(member: Member, now: dt.datetime) -> None:
    """Take from a member what goes beyond his present role and projects.

    A key loses the scopes that the role has not, and is revoked when none is left or
    its project is out of reach; so is an offer of a role that may do more. Tokens are
    not touched: each use of one is held against the role anew.
    """
    scopes = scopes_of(member.role)
    projects: set[int] | None = None
    if member.role in KEPT_TO_PROJECTS:
        places = ProjectMember.objects.filter(member=member)
        projects = set(places.values_list("project_id", flat=True))
    for key in _keys(member):
        is_within = projects is None or key.project_id in projects
        left = sorted(scopes.intersection(map(Scope, key.scopes)))
        if not is_within or not left:
            change(key, {"revoked_at": now}, action="revoke")
        elif len(left) < len(key.scopes):
            change(key, {"scopes": left}, action="narrow")
    for offer in _offers(member, now):
        if not scopes >= scopes_of(offer.role):
            change(offer, {"revoked_at": now}, action="revoke")


def _keys(member: Member) -> QuerySet[ApiKey]:
    rows = ApiKey.objects.filter(member=member, revoked_at=None)
    return rows.order_by("pk").select_for_update()


def _tokens(member: Member) -> QuerySet[ManagementToken]:
    rows = ManagementToken.objects.filter(member=member, revoked_at=None)
    return rows.order_by("pk").select_for_update()


def _offers(member: Member, now: dt.datetime) -> QuerySet[Invitation]:
    rows = Invitation.objects.filter(
        invited_by=member, accepted_at=None, revoked_at=None, expires_at__gt=now
    )
    return rows.order_by("pk").select_for_update()
