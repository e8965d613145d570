"""Tell whoever keeps the audit of each change that a service makes to a row.

A model says by `audited` how its changes are told; `kit.orm.saving` tells of what it
writes, and services that write otherwise call `tell`. The signal is sent inside the
transaction of the change, so what listens writes with it or undoes it.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import models
from django.dispatch import Signal

from kit.acting import ActorKind, current
from kit.json_values import JsonObject

# What every reader of JSON takes for the same integer.
EXACT_MAX = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Audited:
    """How changes of a model are told.

    `tenant` names the attribute that holds the tenant's id; without one the change
    belongs to the installation. `personal` fields are kept apart, so that they can be
    forgotten; `hidden` ones are kept nowhere. What the product does by itself, as time
    passes, is not told of `by_people`.
    """

    noun: str
    tenant: str | None = "tenant_id"
    personal: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    by_people: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One change: `before` and `after` hold the fields that differ, as JSON values."""

    row: models.Model
    audited: Audited
    action: str
    before: JsonObject
    after: JsonObject


# Sent with `told`.
changed = Signal()
# Sent with `tenant_id`, before the first change of a request.
turn_wanted = Signal()


def take_turn(tenant_id: int) -> None:
    """Wait until no other transaction changes things of this tenant.

    Taken before anything else is locked, so that two requests of one tenant cannot each
    hold what the other waits for.
    """
    turn_wanted.send(sender=None, tenant_id=tenant_id)


def tell(
    row: models.Model,
    *,
    action: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Tell of a change; a model without `audited` is not told of."""
    audited: Audited | None = getattr(row, "audited", None)
    if audited is None:
        return
    if audited.by_people and current().kind is ActorKind.SYSTEM:
        return
    told = Told(
        row=row,
        audited=audited,
        action=action,
        before=_kept(before or {}, audited),
        after=_kept(after or {}, audited),
    )
    changed.send(sender=type(row), told=told)


def values(row: models.Model) -> dict[str, object]:
    """Return a row's concrete fields by name."""
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
    }


def _kept(fields: Mapping[str, object], audited: Audited) -> JsonObject:
    return {
        name: as_json(value)
        for name, value in fields.items()
        if name not in audited.hidden
    }


def as_json(value: object) -> object:
    """Return a value as JSON keeps it exactly: numbers beyond a float become text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT_MAX else str(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(name): as_json(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((as_json(each) for each in value), key=str)
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return str(value)
