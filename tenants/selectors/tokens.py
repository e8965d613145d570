"""Reads of management tokens: who calls by one, and those that one may manage.

Owners and admins, a tenant's programs and operators manage all of theirs; everybody
else their own. A suspended tenant's tokens read and change nothing: it may still see
what it used and owes. A removed member's open nothing, nor do a deactivated account's.

Failure: a token that opens nothing is None whatever the reason, and each reason costs
the same: one HMAC and one look into the index.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TypedDict, Unpack

from django.conf import settings
from django.db.models import Q, QuerySet

from kit import api_keys as credentials
from kit.acting import Actor, ActorKind, current
from kit.errors import NotFound
from kit.networks import Address, lies_within, network_of
from kit.scopes import READS, Scope
from tenants import rights
from tenants.models import ManagementToken, Tenant, TokenKind
from tenants.roles import scopes_of
from tenants.selectors.places import projects_reached

_KINDS = {
    TokenKind.OPERATOR: Q(tenant=None),
    TokenKind.SERVICE: Q(tenant__isnull=False, member=None),
    TokenKind.PERSONAL: Q(member__isnull=False),
}


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Who holds a token, and when it was last noted as used."""

    actor: Actor
    last_used_at: dt.datetime | None


class TokenFilters(TypedDict, total=False):
    """What tokens may be narrowed by; None narrows nothing."""

    tenant_id: int | None
    member_id: int | None
    kind: str | None
    # Whether it opens the management API now.
    active: bool | None
    # A part of the name, in any case; the beginning of what may be shown.
    name: str | None
    shown: str | None
    expires_before: dt.datetime | None
    # Not used since then, and issued before.
    unused_since: dt.datetime | None


def holder_of_token(
    token: str, *, address: Address | None, now: dt.datetime
) -> TokenHolder | None:
    """Return who holds a management token; None for one that opens nothing here.

    It opens from the networks that it names, from everywhere where it names none. A
    personal token may do what both it and its member's role allow.
    """
    is_ours = credentials.is_well_formed(
        token, credentials.TENANT_TOKEN_PREFIX, credentials.OPERATOR_TOKEN_PREFIX
    )
    # What cannot be a token is looked up all the same, as one that there is not.
    looked_up = token if is_ours else ""
    digest = credentials.digest(looked_up, settings.MANAGEMENT_TOKEN_SECRET)
    rows = ManagementToken.objects.select_related("member__user", "tenant")
    rows = rows.filter(digest=digest)
    row = rows.filter(revoked_at=None).exclude(expires_at__lte=now).first()
    if row is None or not is_ours or not _opens_from(row, address):
        return None
    actor = _actor_of(row)
    return None if actor is None else TokenHolder(actor, row.last_used_at)


def tokens(
    *, now: dt.datetime, **filters: Unpack[TokenFilters]
) -> QuerySet[ManagementToken, ManagementToken]:
    """List management tokens, newest first."""
    given = {name: value for name, value in filters.items() if value is not None}
    return _within_reach().filter(
        *(_condition(name, value, now) for name, value in given.items())
    )


def token(token_id: int) -> ManagementToken:
    """Return one management token; raises `NotFound`."""
    row = _within_reach().filter(pk=token_id).first()
    if row is None:
        raise NotFound(f"There is no token {token_id}.")
    return row


def _within_reach() -> QuerySet[ManagementToken]:
    actor = current()
    rows = ManagementToken.objects.all()
    if actor.tenant_id is not None:
        rows = rows.filter(tenant_id=actor.tenant_id)
    return rows if rights.manages(actor) else rows.filter(Q(member=actor.member_id))


def _condition(name: str, value: object, now: dt.datetime) -> Q:
    match name:
        case "kind":
            return _KINDS[TokenKind(str(value))]
        case "active":
            opening = Q(revoked_at=None) & ~Q(expires_at__lte=now)
            return opening if value else ~opening
        case "name":
            return Q(name__icontains=value)
        case "shown":
            return Q(shown__startswith=value)
        case "expires_before":
            return Q(expires_at__lt=value)
        case "unused_since":
            never = Q(last_used_at=None) & Q(created_at__lt=value)
            return never | Q(last_used_at__lt=value)
        case _:
            return Q(**{name: value})


def _opens_from(row: ManagementToken, address: Address | None) -> bool:
    networks = [network_of(text) for text in row.allowed_networks]
    return not networks or lies_within(address, networks)


def _actor_of(row: ManagementToken) -> Actor | None:
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    tenant, member = row.tenant, row.member
    if tenant is None:
        return Actor(ActorKind.OPERATOR_TOKEN, row.pk, scopes=scopes)
    is_suspended = tenant.state == Tenant.State.SUSPENDED
    if is_suspended:
        scopes &= READS
    if member is None:
        return Actor(
            ActorKind.TENANT_TOKEN,
            row.pk,
            tenant_id=tenant.pk,
            scopes=scopes,
            is_suspended=is_suspended,
        )
    if member.removed_at is not None or not member.user.is_active:
        return None
    return Actor(
        ActorKind.TENANT_TOKEN,
        row.pk,
        tenant_id=tenant.pk,
        member_id=member.pk,
        scopes=scopes & scopes_of(member.role),
        project_ids=projects_reached(member),
        is_suspended=is_suspended,
    )
