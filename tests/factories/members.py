"""People for tests: accounts, and acting on behalf of a member."""

import itertools
from contextlib import AbstractContextManager

from django.contrib.auth.models import User

from kit.acting import Actor, ActorKind, acting_as
from kit.orm.roles import as_operator
from kit.scopes import Scope
from tenants.models import Member, ProjectMember
from tenants.roles import KEPT_TO_PROJECTS, scopes_of

_numbers = itertools.count(1)


def make_user(*, email: str | None = None, name: str = "") -> User:
    """Create an account that cannot sign in by a password."""
    number = next(_numbers)
    first, _, last = name.partition(" ")
    with as_operator():
        return User.objects.create_user(
            f"account-{number}",
            email or f"account-{number}@example.com",
            first_name=first,
            last_name=last,
        )


def acting_for(
    member: Member, *, scopes: frozenset[Scope] | None = None
) -> AbstractContextManager[None]:
    """Act as a member, by a token of his that may do all that he may, or less."""
    held = scopes_of(member.role)
    project_ids = None
    if member.role in KEPT_TO_PROJECTS:
        with as_operator():
            places = ProjectMember.objects.filter(member=member)
            project_ids = frozenset(places.values_list("project_id", flat=True))
    actor = Actor(
        ActorKind.MEMBER,
        member.pk,
        tenant_id=member.tenant_id,
        member_id=member.pk,
        scopes=held if scopes is None else held & scopes,
        project_ids=project_ids,
    )
    return acting_as(actor)
