"""Reads of management tokens.

Failure: a token that opens nothing is None whatever the reason, and each reason costs
the same: one HMAC and one look into the index.
"""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings

from kit import api_keys as credentials
from kit.acting import Actor, ActorKind
from kit.networks import Address, lies_within, network_of
from kit.scopes import Scope
from tenants.models import (
    ManagementToken,
    Member,
    ProjectMember,
)
from tenants.roles import KEPT_TO_PROJECTS, scopes_of


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Who holds a token, and when it was last noted as used."""

    actor: Actor
    last_used_at: dt.datetime | None


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
    rows = ManagementToken.objects.select_related("member").filter(digest=digest)
    row = rows.filter(revoked_at=None).exclude(expires_at__lte=now).first()
    if row is None or not is_ours or not _opens_from(row, address):
        return None
    actor = _actor_of(row)
    return None if actor is None else TokenHolder(actor, row.last_used_at)


def _opens_from(row: ManagementToken, address: Address | None) -> bool:
    networks = [network_of(text) for text in row.allowed_networks]
    return not networks or lies_within(address, networks)


def _actor_of(row: ManagementToken) -> Actor | None:
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
