"""Append what services tell of to its chain, in the transaction of the change.

A chain is a tenant's, or the installation's. The row of its head is locked from the
first entry to the end of the transaction, which puts the writes of one tenant in order
and lets others be; the clock is the database's, read under that lock. It is locked
last: who wants a whole request in turn takes a lock that stands for the tenant.

Failure: a change that cannot be recorded is not made. Rolled back, it leaves no entry.
Owns: heads, entries and details.
"""

import datetime as dt
import os
from dataclasses import dataclass
from typing import Any

from kit.acting import current
from kit.json_values import JsonObject
from kit.orm.atomic import atomic, cursor
from kit.orm.audited import Told, changed, turn_wanted
from tenants.audit.canonical import SALT_BYTES, Link, detail_digest
from tenants.models.audit import INSTALLATION, AuditDetail, AuditEntry, AuditHead

# Makes the head or locks it, whoever comes first; only then is the clock read.
_NEXT = """
INSERT INTO tenants_audithead AS head (chain, tenant_id, seq, digest)
VALUES (%s, %s, 1, '')
ON CONFLICT (chain) DO UPDATE SET seq = head.seq + 1
RETURNING seq, digest, clock_timestamp(),
    nextval(pg_get_serial_sequence('tenants_auditentry', 'id'))
"""

_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('tenants_turn', %s))"


@dataclass(frozen=True, slots=True)
class _Detail:
    """Personal fields of a change, under the salt that their hash is made with."""

    before: JsonObject
    after: JsonObject
    salt: bytes

    @property
    def digest(self) -> str:
        return detail_digest(self.salt, self.before, self.after)


@dataclass(frozen=True, slots=True)
class _Place:
    """The next place of a locked chain."""

    seq: int
    previous: str
    at: dt.datetime
    entry_id: int


def connect() -> None:
    """Record every change that is told of from now on."""
    changed.connect(_record, dispatch_uid="tenants.audit")
    turn_wanted.connect(_take_turn, dispatch_uid="tenants.audit")


def append(told: Told) -> AuditEntry:
    """Append one change to its chain."""
    tenant_id = _tenant_of(told)
    chain = INSTALLATION if tenant_id is None else tenant_id
    detail = _detail_of(told)
    actor = current()
    with atomic():
        place = _next_place(chain, tenant_id)
        link = Link(
            id=place.entry_id,
            chain=chain,
            seq=place.seq,
            tenant_id=tenant_id,
            at=place.at,
            actor_kind=str(actor.kind),
            actor_id=actor.id,
            member_id=actor.member_id,
            request_id=actor.request_id,
            action=told.action,
            object_kind=told.audited.noun,
            object_id=str(told.row.pk),
            before=_without(told.before, told.audited.personal),
            after=_without(told.after, told.audited.personal),
            detail_digest=detail.digest if detail else "",
            previous=place.previous,
        )
        return _write(link, detail)


def _take_turn(*, tenant_id: int, **_: Any) -> None:
    # No row, least of all the head, which everybody locks last: whoever held it and
    # asked for a row would wait for an operator who holds that and asks for the head.
    with cursor() as session:
        session.execute(_TURN, [tenant_id])


def _record(*, told: Told, **_: Any) -> None:
    append(told)


def _next_place(chain: int, tenant_id: int | None) -> _Place:
    with cursor() as session:
        session.execute(_NEXT, [chain, tenant_id])
        seq, previous, at, entry_id = session.fetchone()
    return _Place(seq, previous, at, entry_id)


def _write(link: Link, detail: _Detail | None) -> AuditEntry:
    digest = link.digest()
    fields = {name: getattr(link, name) for name in link.__slots__}
    entry = AuditEntry(**fields, digest=digest)
    entry.save(force_insert=True)
    if detail is not None:
        AuditDetail.objects.create(
            entry_id=entry.pk,
            tenant_id=link.tenant_id,
            salt=detail.salt,
            before=detail.before,
            after=detail.after,
        )
    AuditHead.objects.filter(pk=link.chain).update(digest=digest)
    return entry


def _tenant_of(told: Told) -> int | None:
    name = told.audited.tenant
    return None if name is None else getattr(told.row, name)


def _detail_of(told: Told) -> _Detail | None:
    before = _only(told.before, told.audited.personal)
    after = _only(told.after, told.audited.personal)
    if not before and not after:
        return None
    return _Detail(before, after, os.urandom(SALT_BYTES))


def _only(fields: JsonObject, names: frozenset[str]) -> JsonObject:
    return {name: value for name, value in fields.items() if name in names}


def _without(fields: JsonObject, names: frozenset[str]) -> JsonObject:
    return {name: value for name, value in fields.items() if name not in names}
