"""Writes of API keys: issue, change, disable, rotate, revoke.

Every write asks what whoever acts may do: a key never holds more than its issuer, and
developers write keys of their own alone. Rows are locked without blocking what only
refers to them. Owns: that a key's text exists only in the `IssuedKey` handed to its
caller.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.db.models.functions import Now

from kit import api_keys
from kit.acting import current
from kit.errors import Conflict, InvalidRequest, NotFound
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from kit.scopes import DATA_PLANE
from tenants import credentials, rights
from tenants.models import (
    ApiKey,
    KeyState,
    Member,
    Priority,
    Project,
    ProjectMember,
    Tenant,
)
from tenants.roles import KEPT_TO_PROJECTS, scopes_of
from tenants.selectors.plans import plan_of

# What a rotated key hands on to the one that replaces it.
_HANDED_ON = (
    "tenant",
    "project",
    "member",
    "name",
    "scopes",
    "allowed_models",
    "allowed_networks",
    "priority",
    "expires_at",
)
# Gateways hold all keys in memory, which one tenant may not fill.
KEYS_MAX = 10_000
# A suspended tenant's keys open no door, but can be replaced meanwhile.
_ROTATABLE = frozenset({KeyState.ACTIVE, KeyState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key: its row, and its text, which is shown once and kept nowhere."""

    key: str = field(repr=False)
    row: ApiKey


class KeyRights(TypedDict, total=False):
    """What a key may do, for how long and from where; left out, it is not narrowed."""

    scopes: Collection[str]
    allowed_models: Collection[str]
    allowed_networks: Collection[str]
    expires_at: dt.datetime | None
    priority: str


class ApiKeyChanges(KeyRights, total=False):
    """What may change of an API key."""

    name: str


def issue_key(
    *,
    tenant: Tenant,
    project: Project,
    name: str,
    member: Member | None = None,
    **given: Unpack[KeyRights],
) -> IssuedKey:
    """Issue an API key for a project; the returned text can never be read again.

    It is the `member`'s own, or without one a service's. Without `scopes` it may do all
    that its issuer and its holder may.

    Raises `InvalidRequest` for another tenant's or an archived project, and for an
    expiry that is not in the future of the database's clock; `PermissionDenied` for
    what its issuer may not give; `Conflict` for more keys than gateways shall hold.
    """
    with atomic():
        owner = _open_project(project, tenant)
        rights.refuse_holder("key", member=member)
        holder = member and _holder(member, owner)
        row = ApiKey(tenant=tenant, project=owner, member=holder, name=name.strip())
        if "scopes" not in given:
            given["scopes"] = _most_scopes(holder)
        for attribute, value in _checked(given, row, kept=False).items():
            setattr(row, attribute, value)
        issued = _issued(row, action="issue")
        credentials.require_future(row.expires_at, now=row.created_at)
    return issued


def update_key(*, api_key: ApiKey, **changes: Unpack[ApiKeyChanges]) -> ApiKey:
    """Rename an API key, move its expiry, narrow or widen what it may do.

    Raises `Conflict` when it is revoked, which is for good, and when it would outlive
    its replacement's overlap; `PermissionDenied` for adding scopes that whoever acts
    does not hold.
    """
    with atomic():
        row = _locked(api_key)
        _refuse_revoked(row)
        checked = _checked(changes, row, kept=True)
        if "name" in changes:
            checked["name"] = changes["name"].strip()
        if "expires_at" in changes and changes["expires_at"] != row.expires_at:
            _check_new_expiry(row, changes["expires_at"])
        change(row, checked)
    return row


def disable_key(*, api_key: ApiKey, now: dt.datetime) -> ApiKey:
    """Refuse an API key until it is enabled. Idempotent: the first instant stays."""
    with atomic():
        row = _locked(api_key)
        _refuse_revoked(row)
        if row.disabled_at is None:
            change(row, {"disabled_at": now}, action="disable")
    return row


def enable_key(*, api_key: ApiKey) -> ApiKey:
    """Let a disabled API key open the door again. Idempotent."""
    with atomic():
        row = _locked(api_key)
        _refuse_revoked(row)
        change(row, {"disabled_at": None}, action="enable")
    return row


def rotate_key(
    *,
    api_key: ApiKey,
    now: dt.datetime,
    overlap: dt.timedelta = credentials.OVERLAP_DEFAULT,
) -> IssuedKey:
    """Replace an API key by a new one of the same properties; both work for a while.

    The old key expires at the end of the overlap: at once when that is zero.

    Raises `Conflict` when the key was replaced before, or opens no door by itself;
    `PermissionDenied` when whoever acts may not be shown such a key.
    """
    credentials.require_overlap(overlap)
    with atomic():
        row = _locked(api_key)
        if newer := _replacement(row):
            raise credentials.refuse_replaced("key", newer)
        state = row.state_at(now)
        if state not in _ROTATABLE:
            raise Conflict(f"The key is {state} and cannot be rotated.")
        rights.refuse_to_show("key", member_id=row.member_id)
        handed_on = {name: getattr(row, name) for name in _HANDED_ON}
        fresh = ApiKey(replaces=row, **handed_on)
        fresh.scopes = credentials.scopes_given(
            row.scopes, among=DATA_PLANE, member=row.member
        )
        ending = credentials.end_of_overlap(row.expires_at, now=now, overlap=overlap)
        change(row, {"expires_at": ending}, action="rotate")
        return _issued(fresh, action="issue")


def revoke_key(*, api_key: ApiKey, now: dt.datetime) -> ApiKey:
    """Revoke an API key for good. Idempotent: the first instant stays."""
    with atomic():
        row = _locked(api_key)
        if row.revoked_at is None:
            change(row, {"revoked_at": now}, action="revoke")
    return row


def _issued(row: ApiKey, *, action: str) -> IssuedKey:
    _make_room(row.tenant)
    key = api_keys.generate()
    row.digest = api_keys.digest(key, settings.API_KEY_SECRET)
    row.shown = api_keys.shown(key)
    create(row, action=action)
    return IssuedKey(key=key, row=row)


def _open_project(project: Project, tenant: Tenant) -> Project:
    """Return the project, locked so that it is not archived before the insert."""
    owner = Project.objects.select_for_update(no_key=True).filter(pk=project.pk).first()
    if owner is None or not rights.reaches(
        current(), tenant_id=owner.tenant_id, project_id=owner.pk
    ):
        raise InvalidRequest(f"There is no project {project.pk}.", param="project")
    if owner.tenant_id != tenant.pk:
        raise InvalidRequest(
            f"Project {owner.pk} does not belong to tenant {tenant.pk}.",
            param="project",
        )
    if owner.archived_at is not None:
        raise InvalidRequest(
            f"Project {owner.pk} is archived: name another one.", param="project"
        )
    return owner


def _make_room(tenant: Tenant) -> None:
    """Raise `Conflict` where a tenant has as many keys as it may have."""
    lasting = ApiKey.objects.filter(tenant=tenant, revoked_at=None).order_by()
    if lasting.exclude(expires_at__lte=Now())[:KEYS_MAX].count() >= KEYS_MAX:
        raise Conflict(
            f"There are {KEYS_MAX:,} keys that have not ended: revoke some that are not"
            " used any more."
        )


def _holder(member: Member, project: Project) -> Member:
    """Return the member, who must reach the project."""
    holder = credentials.member_of(member, tenant=project.tenant)
    places = ProjectMember.objects.filter(member=holder, project=project)
    if holder.role in KEPT_TO_PROJECTS and not places.exists():
        raise InvalidRequest(
            f"Member {holder.pk} is not in project {project.pk}.", param="member"
        )
    return holder


def _most_scopes(holder: Member | None) -> list[str]:
    """Return what a new key may do at most; never nothing, so that it is refused."""
    most = DATA_PLANE & current().scopes
    if holder is not None:
        most &= scopes_of(holder.role)
    return sorted(most or DATA_PLANE)


def _checked(given: KeyRights, row: ApiKey, *, kept: bool) -> dict[str, Any]:
    """Return what was given as it is stored; `kept` is what the row has already."""
    checked: dict[str, Any] = {}
    if "scopes" in given:
        checked["scopes"] = credentials.scopes_given(
            given["scopes"],
            among=DATA_PLANE,
            member=row.member,
            kept=row.scopes if kept else (),
        )
    if "allowed_models" in given:
        checked["allowed_models"] = credentials.models_of(
            given["allowed_models"],
            is_operators=current().is_operator,
            kept=row.allowed_models,
        )
    if "allowed_networks" in given:
        checked["allowed_networks"] = credentials.networks_of(given["allowed_networks"])
    if "expires_at" in given:
        checked["expires_at"] = given["expires_at"]
    if "priority" in given:
        checked["priority"] = _priority(
            given["priority"], row, kept=row.priority if kept else ""
        )
    return checked


def _priority(asked: str, row: ApiKey, *, kept: str) -> str:
    """Return the class that is asked for; refuse one beyond the plan, unless kept.

    What gateways go by is the lower of the two, whatever becomes of the plan.
    """
    if asked not in Priority or asked == kept:
        # The row's own validation has the word on what there is.
        return asked
    plan = plan_of(row.tenant)
    most = Priority(plan.priority_max) if plan else Priority.DEFAULT
    if Priority(asked).rank > most.rank:
        raise InvalidRequest(
            f"The tenant's plan allows the priority '{most}' at most.", param="priority"
        )
    return asked


def _check_new_expiry(row: ApiKey, expires_at: dt.datetime | None) -> None:
    """Refuse the past, and to outlive the overlap with a replacement."""
    credentials.require_future(expires_at, now=_read_at(row))
    newer = _replacement(row)
    # What was replaced has an expiry: the end of the overlap.
    if newer and row.expires_at and (expires_at is None or expires_at > row.expires_at):
        raise credentials.refuse_replaced("key", newer)


def _locked(api_key: ApiKey) -> ApiKey:
    """Return the key as it is now, locked, with the database's instant of reading.

    Raises `NotFound` and `PermissionDenied`.
    """
    rows = ApiKey.objects.select_for_update(no_key=True, of=("self",))
    row = (
        rows.select_related("tenant", "project", "member")
        .annotate(read_at=Now())
        .filter(pk=api_key.pk)
        .first()
    )
    if row is None or not rights.reaches(
        current(), tenant_id=row.tenant_id, project_id=row.project_id
    ):
        raise NotFound(f"There is no API key {api_key.pk}.")
    rights.refuse_others("key", member_id=row.member_id)
    return row


def _read_at(row: ApiKey) -> dt.datetime:
    read_at: dt.datetime = row.read_at  # type: ignore[attr-defined]
    return read_at


def _replacement(row: ApiKey) -> int | None:
    newer = ApiKey.objects.filter(replaces=row).values_list("pk", flat=True)
    return newer.first()


def _refuse_revoked(row: ApiKey) -> None:
    if row.revoked_at is not None:
        raise Conflict("The key is revoked and cannot change. Issue another one.")
