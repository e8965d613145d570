"""Writes of management tokens: issue, change, rotate, revoke.

A token never holds more than its issuer, and a member's own never more than the role.
Issued by a token, it neither outlives that one nor opens from elsewhere. Its scopes can
be narrowed and not widened: what a program holds is decided once, by whoever hands it
out. Owns: that a token's text exists only in the `IssuedToken` handed to its caller.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.db.models.functions import Now

from kit import api_keys
from kit.acting import current
from kit.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from kit.networks import lies_inside, network_of
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from kit.scopes import EVERY, TENANTS, Scope, beyond
from tenants import credentials, rights
from tenants.models import ManagementToken, Member, Tenant, TokenKind, TokenState
from tenants.roles import scopes_of

# A person's token ends by itself: people leave, and laptops are lost.
PERSONAL_DEFAULT = dt.timedelta(days=90)
PERSONAL_MAX = dt.timedelta(days=365)
_HANDED_ON = (
    "tenant",
    "member",
    "name",
    "scopes",
    "allowed_networks",
    "expires_at",
)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: its row, and its text, which is shown once and kept nowhere."""

    token: str = field(repr=False)
    row: ManagementToken


class TokenBounds(TypedDict, total=False):
    """From where a token may be used, and until when."""

    allowed_networks: Collection[str]
    expires_at: dt.datetime | None


class TokenChanges(TokenBounds, total=False):
    """What may change of a token; of its scopes some may be taken away."""

    name: str
    scopes: Collection[str]


def issue_token(
    *,
    name: str,
    scopes: Iterable[str],
    now: dt.datetime,
    tenant: Tenant | None = None,
    member: Member | None = None,
    **bounds: Unpack[TokenBounds],
) -> IssuedToken:
    """Issue a management token; the returned text can never be read again.

    Without a `tenant` it is an operator's, with a `member` that person's, else a
    service's of the tenant. A person's expires: in 90 days unless it is said otherwise,
    within a year. Bounds that are left out are those of the token that issues it.

    Raises `InvalidRequest`, and `PermissionDenied` for what its issuer may not give.
    """
    with atomic():
        _require_may_issue(tenant, member)
        holder = None
        if member is not None:
            if tenant is None:
                raise InvalidRequest("A member's token has a tenant.", param="tenant")
            holder = credentials.member_of(member, tenant=tenant)
        held = rights.bounds()
        row = ManagementToken(tenant=tenant, member=holder, name=name.strip())
        row.scopes = credentials.scopes_given(
            scopes, among=_among(row), member=row.member
        )
        row.allowed_networks = credentials.networks_of(
            bounds.get("allowed_networks", held.allowed_networks)
        )
        usual = None if holder is None else now + PERSONAL_DEFAULT
        row.expires_at = bounds.get("expires_at", held.end_of(usual))
        _require_expiry(row, row.expires_at, now=now)
        _refuse_beyond(held, row)
        return _issued(row)


def update_token(
    *, token: ManagementToken, now: dt.datetime, **changes: Unpack[TokenChanges]
) -> ManagementToken:
    """Rename a token, move its expiry or its networks, take scopes away.

    Raises `Conflict` when it is revoked, which is for good, and when it would outlive
    its replacement's overlap; `PermissionDenied` for widening it beyond the token by
    which it is changed, be it the same one, and one that may do what one may not.
    """
    with atomic():
        row = _locked(token)
        _refuse_revoked(row)
        checked: dict[str, Any] = {**changes}
        if "name" in changes:
            checked["name"] = changes["name"].strip()
        if "scopes" in changes:
            checked["scopes"] = _narrowed(row, changes["scopes"])
        if "allowed_networks" in changes:
            checked["allowed_networks"] = _networks(row, changes["allowed_networks"])
        if "expires_at" in changes and changes["expires_at"] != row.expires_at:
            _check_new_expiry(row, changes["expires_at"], now=now)
        change(row, checked)
    return row


def rotate_token(
    *,
    token: ManagementToken,
    now: dt.datetime,
    overlap: dt.timedelta = credentials.OVERLAP_DEFAULT,
) -> IssuedToken:
    """Replace a token by a new one of the same properties; both work for a while.

    The old token expires at the end of the overlap: at once when that is zero.

    Raises `Conflict` when it was replaced before, is revoked or expired;
    `PermissionDenied` when whoever acts may not be shown such a token.
    """
    credentials.require_overlap(overlap)
    with atomic():
        row = _locked(token)
        if newer := _replacement(row):
            raise credentials.refuse_replaced("token", newer)
        state = row.state_at(now)
        if state is not TokenState.ACTIVE:
            raise Conflict(f"The token is {state} and cannot be rotated.")
        rights.refuse_to_show("token", member_id=row.member_id)
        _refuse_beyond(rights.bounds(), row)
        handed_on = {name: getattr(row, name) for name in _HANDED_ON}
        fresh = ManagementToken(replaces=row, **handed_on)
        fresh.scopes = credentials.scopes_given(
            row.scopes, among=_among(row), member=row.member
        )
        ending = credentials.end_of_overlap(row.expires_at, now=now, overlap=overlap)
        change(row, {"expires_at": ending}, action="rotate")
        return _issued(fresh)


def revoke_token(*, token: ManagementToken, now: dt.datetime) -> ManagementToken:
    """Revoke a token for good. Idempotent: the first instant stays."""
    with atomic():
        row = _locked(token)
        if row.revoked_at is None:
            change(row, {"revoked_at": now}, action="revoke")
    return row


def _issued(row: ManagementToken) -> IssuedToken:
    is_operators = row.kind is TokenKind.OPERATOR
    token = api_keys.generate(
        api_keys.OPERATOR_TOKEN_PREFIX if is_operators else api_keys.TENANT_TOKEN_PREFIX
    )
    row.digest = api_keys.digest(token, settings.MANAGEMENT_TOKEN_SECRET)
    row.shown = api_keys.shown(token)
    create(row, action="issue")
    return IssuedToken(token=token, row=row)


def _require_may_issue(tenant: Tenant | None, member: Member | None) -> None:
    """Refuse tokens of another tenant, of operators, and of other people."""
    actor = current()
    if tenant is None and not actor.is_operator:
        raise PermissionDenied(
            "Only operators issue operators' tokens. Name your tenant.",
            code="operators_only",
            param="tenant",
        )
    if tenant is not None and not rights.reaches(
        actor, tenant_id=tenant.pk, project_id=None
    ):
        raise InvalidRequest(f"There is no tenant {tenant.pk}.", param="tenant")
    rights.refuse_holder("token", member=member)


def _among(row: ManagementToken) -> frozenset[Scope]:
    """Return what such a token can hold: a tenant's nothing of the installation."""
    return EVERY if row.kind is TokenKind.OPERATOR else TENANTS


def _refuse_beyond(held: rights.Bounds, row: ManagementToken) -> None:
    """Refuse to hand out a token that reaches further than the one that does it."""
    rights.refuse_to_outlive(row.expires_at, held=held)
    rights.refuse_other_networks(row.allowed_networks, held=held)


def _networks(row: ManagementToken, asked: Collection[str]) -> list[str]:
    networks = credentials.networks_of(asked)
    # What opens from everywhere is only ever narrowed.
    if row.allowed_networks and networks != row.allowed_networks:
        rights.refuse_other_networks(
            networks, held=rights.bounds(), kept=row.allowed_networks
        )
        own = [network_of(text) for text in row.allowed_networks]
        within = (lies_inside(network_of(text), own) for text in networks)
        if not networks or not all(within):
            _refuse_to_widen(row, param="allowed_networks")
    return networks


def _refuse_to_widen(row: ManagementToken, *, param: str) -> None:
    """Refuse to let a token open where or when it did not, unless one holds as much.

    It may be known to whoever asks: one that ran out would be handed out once more.
    """
    scopes = set(map(Scope, row.scopes))
    if row.member is not None:
        scopes &= scopes_of(row.member.role)
    rights.refuse_beyond(scopes, param=param)


def _narrowed(row: ManagementToken, asked: Collection[str]) -> list[str]:
    scopes = credentials.scopes_given(
        asked, among=_among(row), member=row.member, kept=row.scopes
    )
    if added := beyond(map(Scope, scopes), map(Scope, row.scopes)):
        raise InvalidRequest(
            f"Scopes can only be taken away, and these are new: {', '.join(added)}."
            " Issue another token.",
            param="scopes",
        )
    return scopes


def _require_expiry(
    row: ManagementToken, expires_at: dt.datetime | None, *, now: dt.datetime
) -> None:
    most = PERSONAL_MAX if row.kind is TokenKind.PERSONAL else None
    credentials.require_future(expires_at, now=now, most=most)


def _check_new_expiry(
    row: ManagementToken, expires_at: dt.datetime | None, *, now: dt.datetime
) -> None:
    """Refuse the past, too far a future, and to outlive the overlap or who does it."""
    _require_expiry(row, expires_at, now=max(now, _read_at(row)))
    if row.expires_at is None or (expires_at and expires_at < row.expires_at):
        return
    # What was replaced has an expiry: the end of the overlap.
    if newer := _replacement(row):
        raise credentials.refuse_replaced("token", newer)
    rights.refuse_to_outlive(expires_at, held=rights.bounds())
    _refuse_to_widen(row, param="expires_at")


def _locked(token: ManagementToken) -> ManagementToken:
    """Return the token as it is now, locked, with the database's instant of reading.

    Raises `NotFound`: whoever may not change a token may not see it either.
    """
    rows = ManagementToken.objects.select_for_update(no_key=True, of=("self",))
    row = (
        rows.select_related("tenant", "member")
        .annotate(read_at=Now())
        .filter(pk=token.pk)
        .first()
    )
    actor = current()
    if (
        row is None
        or not rights.reaches(actor, tenant_id=row.tenant_id, project_id=None)
        or (row.member_id != actor.member_id and not rights.manages(actor))
    ):
        raise NotFound(f"There is no token {token.pk}.")
    return row


def _read_at(row: ManagementToken) -> dt.datetime:
    read_at: dt.datetime = row.read_at  # type: ignore[attr-defined]
    return read_at


def _replacement(row: ManagementToken) -> int | None:
    newer = ManagementToken.objects.filter(replaces=row).values_list("pk", flat=True)
    return newer.first()


def _refuse_revoked(row: ManagementToken) -> None:
    if row.revoked_at is not None:
        raise Conflict("The token is revoked and cannot change. Issue another one.")
