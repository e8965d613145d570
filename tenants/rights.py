"""What whoever acts may do with credentials: which it may give, and which are its own.

Nobody hands out more than it holds: neither scopes, nor a longer time, nor more places
to call from. Operators and a tenant's own programs act for all of it, as owners and
admins do; everybody else for themselves. Failure: what lies out of reach is `NotFound`,
said as of what does not exist; what is seen but not one's own to change is
`PermissionDenied`.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kit.acting import Actor, ActorKind, current
from kit.errors import PermissionDenied
from kit.networks import lies_inside, network_of
from kit.scopes import Scope, beyond
from tenants.models import ManagementToken, Member, Role

MANAGERS = frozenset({Role.OWNER, Role.ADMIN})
_BY_TOKEN = frozenset({ActorKind.OPERATOR_TOKEN, ActorKind.TENANT_TOKEN})


@dataclass(frozen=True, slots=True)
class Bounds:
    """Until when and from where one may act; None and empty are no bounds."""

    expires_at: dt.datetime | None = None
    allowed_networks: tuple[str, ...] = ()

    def end_of(self, expires_at: dt.datetime | None) -> dt.datetime | None:
        """Return an expiry, or the end of these bounds where that is earlier."""
        ends = [each for each in (expires_at, self.expires_at) if each is not None]
        return min(ends, default=None)


def bounds() -> Bounds:
    """Return the bounds of the management token by which somebody acts.

    They are read anew, for they may have changed since it called. Whoever acts without
    such a token, as people and the root token do, has none.
    """
    actor = current()
    if actor.kind not in _BY_TOKEN:
        return Bounds()
    row = ManagementToken.objects.filter(pk=actor.id or 0).first()
    if row is None:
        raise PermissionDenied("There is no such token as the one that you call by.")
    return Bounds(row.expires_at, tuple(row.allowed_networks))


def acting_member() -> Member | None:
    """Return the member who acts, if it is one."""
    member_id = current().member_id
    if member_id is None:
        return None
    return Member.objects.filter(pk=member_id, removed_at=None).first()


def manages(actor: Actor) -> bool:
    """Tell whether an actor acts for all of the tenant, not only for itself."""
    if actor.member_id is None:
        return True
    if actor.project_ids is not None:
        return False
    managers = Member.objects.filter(
        pk=actor.member_id, role__in=MANAGERS, removed_at=None
    )
    return managers.exists()


def reaches(actor: Actor, *, tenant_id: int | None, project_id: int | None) -> bool:
    """Tell whether a tenant's row, in a project or in none, is within reach."""
    if actor.tenant_id is not None and actor.tenant_id != tenant_id:
        return False
    return project_id is None or actor.sees_project(project_id)


def refuse_beyond(asked: Iterable[Scope], *, param: str = "scopes") -> None:
    """Raise `PermissionDenied` when more is asked for than whoever acts holds."""
    missing = beyond(asked, current().scopes)
    if missing:
        raise PermissionDenied(
            f"You cannot give what you do not hold: {', '.join(missing)}. Leave it out,"
            " or let somebody who holds it do this.",
            code="scope_beyond_yours",
            param=param,
        )


def refuse_to_outlive(expires_at: dt.datetime | None, *, held: Bounds) -> None:
    """Raise `PermissionDenied` for an expiry after that of whoever gives it."""
    if held.expires_at is None:
        return
    if expires_at is None or expires_at > held.expires_at:
        raise PermissionDenied(
            "It cannot outlive the token that you call by, which expires at"
            f" {held.expires_at.isoformat()}.",
            code="expiry_beyond_yours",
            param="expires_at",
        )


def refuse_other_networks(
    networks: Collection[str], *, held: Bounds, kept: Collection[str] = ()
) -> None:
    """Raise `PermissionDenied` for places that whoever gives them cannot call from.

    None at all means everywhere. `kept` are those that a token has already and may be
    narrowed within.
    """
    if not held.allowed_networks:
        return
    own = [network_of(text) for text in (*held.allowed_networks, *kept)]
    wider = [text for text in networks if not lies_inside(network_of(text), own)]
    if wider or not networks:
        raise PermissionDenied(
            f"It cannot be used from {', '.join(wider) or 'everywhere'}: the token that"
            f" you call by opens from {', '.join(held.allowed_networks)} alone.",
            code="networks_beyond_yours",
            param="allowed_networks",
        )


def refuse_others(noun: str, *, member_id: int | None) -> None:
    """Raise `PermissionDenied` when a credential is not one's own, nor one's to manage.

    Ask after `reaches`: it tells that there is such a credential.
    """
    actor = current()
    if (member_id is None or member_id != actor.member_id) and not manages(actor):
        raise PermissionDenied(
            f"This {noun} is not yours. Ask its holder, or an owner or admin.",
            code="not_yours",
        )


def refuse_to_show(noun: str, *, member_id: int | None) -> None:
    """Raise `PermissionDenied` when a new text would let one act as another member."""
    actor = current()
    if member_id is not None and member_id != actor.member_id and not actor.is_operator:
        raise PermissionDenied(
            f"Only its holder may be shown this {noun}. Revoke it, and let them issue"
            " another one.",
            code="not_yours",
        )


def refuse_holder(noun: str, *, member: Member | None) -> None:
    """Raise `PermissionDenied` when a new credential may not be this holder's."""
    actor = current()
    if member is None:
        if not manages(actor):
            raise PermissionDenied(
                f"Only owners and admins issue a {noun} that is nobody's own. Leave out"
                " 'member' for one of yours.",
                code="not_yours",
                param="member",
            )
    elif not actor.is_operator and member.pk != actor.member_id:
        raise PermissionDenied(
            f"A member's {noun} is issued by that member. Give null for a service's.",
            code="not_yours",
            param="member",
        )
