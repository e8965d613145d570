"""Reads of a person's place in a tenant, and of who acts when the person takes it up.

Failure: a tenant where the person has no place is a `NotFound`, in the same words
whether it is another's, was left, or does not exist.
"""

from collections.abc import Sequence

from kit.acting import Actor, ActorKind
from kit.errors import NotFound
from kit.scopes import READS
from tenants.models import Member, ProjectMember, Tenant
from tenants.roles import KEPT_TO_PROJECTS, scopes_of


def places(*, user_id: int) -> list[Member]:
    """Return an account's places by the tenants' names, as the operator role."""
    rows = Member.objects.filter(user_id=user_id, removed_at=None)
    return list(rows.select_related("tenant").order_by("tenant__name", "tenant_id"))


def place_among(found: Sequence[Member], *, slug: str) -> Member:
    """Return the one of an account's places that is in the tenant of this slug."""
    for each in found:
        if each.tenant.slug == slug:
            return each
    raise NotFound("You are a member of no such tenant.")


def actor_in(member: Member) -> Actor:
    """Return who acts when a member does by signing in, and not by a token.

    Of a suspended tenant members read and change nothing.
    """
    is_suspended = member.tenant.state == Tenant.State.SUSPENDED
    scopes = scopes_of(member.role)
    return Actor(
        ActorKind.MEMBER,
        member.pk,
        tenant_id=member.tenant_id,
        member_id=member.pk,
        scopes=scopes & READS if is_suspended else scopes,
        project_ids=projects_reached(member),
        is_suspended=is_suspended,
    )


def projects_reached(member: Member) -> frozenset[int] | None:
    """Return the projects that a member is kept to; None for all of the tenant."""
    if member.role not in KEPT_TO_PROJECTS:
        return None
    places = ProjectMember.objects.filter(member=member)
    return frozenset(places.values_list("project_id", flat=True))
