"""Whether the caller stands high enough to give a role, or to touch who has one.

Two rules. Nobody gives a role that may do what he may not; nobody but an owner makes,
changes or removes an owner. Operators are above every tenant's roles, as far as their
scopes go. Changes of one tenant's members take its turn and lock its row, and the
caller's own place is read again under it: whoever is being demoted decides nothing any
more.

Failure: `PermissionDenied`, which says what is missing.
"""

from collections.abc import Collection
from dataclasses import dataclass

from kit import acting
from kit.errors import InvalidRequest, PermissionDenied
from kit.orm import audited
from kit.scopes import Scope, beyond
from tenants.models import Member, Project, Role, Tenant
from tenants.roles import scopes_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What the caller may do now; `member_id` is who it is among the members."""

    scopes: frozenset[Scope]
    is_owner: bool
    member_id: int | None


def take_turn(tenant_id: int) -> Standing:
    """Lock the members of a tenant until the transaction ends; return who calls.

    Raises `PermissionDenied` when the caller is a member no more.
    """
    # Before any row: what is given up with a place is locked after its head.
    audited.take_turn(tenant_id)
    # Less than a full lock: rows that only refer to the tenant are not held up.
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
    actor = acting.current()
    if actor.is_operator:
        return Standing(actor.scopes, is_owner=True, member_id=None)
    if actor.member_id is None:
        # A service's token is nobody: what only owners do, it cannot.
        return Standing(actor.scopes, is_owner=False, member_id=None)
    place = Member.objects.filter(pk=actor.member_id, removed_at=None).first()
    if place is None:
        raise PermissionDenied("You are no member of this tenant any more.")
    return Standing(
        actor.scopes & scopes_of(place.role),
        is_owner=place.role == Role.OWNER,
        member_id=place.pk,
    )


def require_may_give(role: Role, standing: Standing) -> None:
    """Raise `PermissionDenied` unless the caller may give this role."""
    missing = beyond(scopes_of(role), standing.scopes)
    if missing:
        raise PermissionDenied(
            f"The role '{role}' may do what you may not ({', '.join(missing)}), so you"
            " cannot give it. Ask an owner.",
            param="role",
            code="role_beyond_yours",
        )
    if role == Role.OWNER and not standing.is_owner:
        raise PermissionDenied(
            "Only owners make owners. Ask one.", param="role", code="owners_only"
        )


def require_may_touch(role: str, standing: Standing) -> None:
    """Raise `PermissionDenied` unless the caller may change who has this role."""
    if role == Role.OWNER and not standing.is_owner:
        raise PermissionDenied(
            "Only owners change or remove an owner. Ask one.", code="owners_only"
        )


def open_projects(
    tenant_id: int, project_ids: Collection[int], *, already: Collection[int] = ()
) -> list[Project]:
    """Return these projects of the tenant, locked against being archived meanwhile.

    Those in `already` may be archived. Raises `InvalidRequest` for one that is not
    there, in the same words whether it is another tenant's, beyond the caller's reach
    or nobody's.
    """
    asked = sorted(set(project_ids))
    rows = Project.objects.filter(tenant_id=tenant_id, pk__in=asked)
    actor = acting.current()
    found = {
        row.pk: row
        for row in rows.order_by("pk").select_for_update(no_key=True)
        if actor.sees_project(row.pk)
    }
    for project_id in asked:
        project = found.get(project_id)
        if project is None:
            raise InvalidRequest(f"There is no project {project_id}.", param="projects")
        if project.archived_at is not None and project_id not in already:
            raise InvalidRequest(
                f"Project {project_id} is archived: name another one.", param="projects"
            )
    return list(found.values())
