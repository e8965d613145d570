"""Writes of members: their role, their projects, their leaving.

Failure: what the caller may not do is a `PermissionDenied`; a tenant's last owner can
be neither demoted nor removed, which is a `Conflict`. Owns: that who loses a right
loses, in the same transaction, the credentials that carried it.
"""

import datetime as dt
from collections.abc import Collection

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.saving import change
from tenants.models import Member, ProjectMember, Role
from tenants.roles import as_role
from tenants.services.authority import (
    Standing,
    open_projects,
    require_may_give,
    require_may_touch,
    take_turn,
)
from tenants.services.places import (
    add_places,
    drop_places,
    keep_within_reach,
    revoke_all,
)


def change_role(*, member: Member, role: str, now: dt.datetime) -> Member:
    """Give a member another role: `update_member` with the role alone."""
    return update_member(member=member, role=role, now=now)


def set_projects(
    *, member: Member, project_ids: Collection[int], now: dt.datetime
) -> Member:
    """Put a member into exactly these projects: `update_member` with them alone."""
    return update_member(member=member, project_ids=project_ids, now=now)


def update_member(
    *,
    member: Member,
    role: str | None = None,
    project_ids: Collection[int] | None = None,
    now: dt.datetime,
) -> Member:
    """Change a member's role, projects or both; what they no longer cover goes.

    Of his keys some lose scopes and some are revoked, of his offers some are revoked.

    Raises `PermissionDenied` for a role that the caller cannot give, an owner that it
    cannot touch; `InvalidRequest` for a project that is not there; `Conflict` for the
    last owner and for one who has left.
    """
    wanted = None if role is None else as_role(role)
    with atomic():
        standing = take_turn(member.tenant_id)
        row = _present(member)
        require_may_touch(row.role, standing)
        if wanted is not None and wanted != row.role:
            _give(row, wanted, standing)
        if project_ids is not None:
            _move(row, project_ids)
        # Once, at the end: of two changes the first alone may cover less than both.
        keep_within_reach(row, now)
    return row


def remove_member(*, member: Member, now: dt.datetime) -> Member:
    """Take a member out, with his keys and tokens and the offers that he made.

    Idempotent: the first instant stays. Raises `PermissionDenied` for an owner that the
    caller cannot touch, `Conflict` for the last owner.
    """
    with atomic():
        standing = take_turn(member.tenant_id)
        row = _locked(member)
        if row.removed_at is not None:
            return row
        require_may_touch(row.role, standing)
        if row.role == Role.OWNER:
            _keep_an_owner(row)
        revoke_all(row, now)
        drop_places(ProjectMember.objects.filter(member=row))
        change(row, {"removed_at": now}, action="remove")
    return row


def _give(row: Member, role: Role, standing: Standing) -> None:
    # So nobody raises himself: what he may give, he may do already.
    require_may_give(role, standing)
    if row.role == Role.OWNER:
        _keep_an_owner(row)
    change(row, {"role": role}, action="change_role")


def _move(row: Member, project_ids: Collection[int]) -> None:
    places = ProjectMember.objects.filter(member=row)
    present = set(places.values_list("project_id", flat=True))
    projects = open_projects(row.tenant_id, project_ids, already=present)
    drop_places(places.exclude(project__in=projects))
    add_places(row, [each for each in projects if each.pk not in present])


def _locked(member: Member) -> Member:
    return Member.objects.select_for_update().get(pk=member.pk)


def _present(member: Member) -> Member:
    row = _locked(member)
    if row.removed_at is not None:
        raise Conflict("This member was removed: invite the person anew.")
    return row


def _keep_an_owner(leaving: Member) -> None:
    """Raise `Conflict` when nobody else owns the tenant; the turn keeps it so."""
    others = Member.objects.filter(
        tenant_id=leaving.tenant_id, role=Role.OWNER, removed_at=None
    ).exclude(pk=leaving.pk)
    if not others.exists():
        raise Conflict("This is the tenant's last owner: make another one first.")
