"""Reads of the audit: entries, what of them is personal, who made them."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet

from kit.acting import ActorKind
from kit.orm.roles import OPERATOR, current_alias
from tenants.models import AuditDetail, AuditEntry, ManagementToken, Member

_OF_TOKENS = frozenset({ActorKind.OPERATOR_TOKEN, ActorKind.TENANT_TOKEN})
_OF_ACCOUNTS = frozenset({ActorKind.OPERATOR, ActorKind.ACCOUNT})
ActorKey = tuple[str, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Named:
    """How an actor is called now; None where it has no name, or was forgotten."""

    name: str | None = None
    email: str | None = None


def audit_entries(
    *,
    tenant_id: int | None = None,
    object_kind: str | None = None,
    object_id: str | None = None,
    action: str | None = None,
    actor_kind: str | None = None,
    actor_id: int | None = None,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> QuerySet[AuditEntry]:
    """List entries, newest first, of a half-open range of instants."""
    given = {
        "chain": tenant_id,
        "object_kind": object_kind,
        "object_id": object_id,
        "action": action,
        "actor_kind": actor_kind,
        "actor_id": actor_id,
        "at__gte": start,
        "at__lt": end,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return AuditEntry.objects.filter(**asked)


def audit_details(entries: Iterable[AuditEntry]) -> Mapping[int, AuditDetail]:
    """Return the personal fields of entries that were not forgotten, by entry."""
    ids = [entry.pk for entry in entries if entry.detail_digest]
    return AuditDetail.objects.in_bulk(ids)


def actor_key(entry: AuditEntry) -> ActorKey:
    """Return what `audit_actors` knows the actor of an entry by."""
    return entry.actor_kind, entry.actor_id, entry.member_id


def audit_actors(entries: Sequence[AuditEntry]) -> Mapping[ActorKey, Named]:
    """Return how the actors of entries are called now.

    Operators' accounts have no name for a tenant: they are none of its people.
    """
    keys = {actor_key(entry) for entry in entries}
    accounts = _accounts({id_ for kind, id_, _ in keys if kind in _OF_ACCOUNTS})
    tokens = _tokens({id_ for kind, id_, _ in keys if kind in _OF_TOKENS})
    members = _members(
        {member for *_, member in keys}
        | {id_ for kind, id_, _ in keys if kind == ActorKind.MEMBER}
    )
    nobody = Named()
    found: dict[ActorKey, Named] = {}
    for kind, id_, member_id in keys:
        person = members.get(member_id, nobody)
        if kind in _OF_ACCOUNTS:
            person = accounts.get(id_, nobody)
        elif kind == ActorKind.MEMBER:
            person = members.get(id_, nobody)
        elif kind in _OF_TOKENS:
            person = Named(tokens.get(id_), person.email)
        found[kind, id_, member_id] = person
    return found


def _accounts(ids: set[int | None]) -> dict[int | None, Named]:
    if not ids or current_alias() != OPERATOR:
        return {}
    return {
        row.pk: Named(row.get_full_name() or row.username or None, row.email or None)
        for row in User.objects.filter(pk__in=_known(ids))
    }


def _tokens(ids: set[int | None]) -> dict[int | None, str]:
    rows = ManagementToken.objects.filter(pk__in=_known(ids))
    return dict(rows.values_list("pk", "name"))


def _members(ids: set[int | None]) -> dict[int | None, Named]:
    rows = Member.objects.filter(pk__in=_known(ids))
    return {row.pk: Named(row.name or None, row.email or None) for row in rows}


def _known(ids: set[int | None]) -> set[int]:
    return {each for each in ids if each is not None}
