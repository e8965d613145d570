"""Writes of webhook endpoints, as the actor in force.

Whoever holds a tenant's `webhooks:write` makes endpoints of that tenant, which are
called with its events alone. Those of the installation, called with all tenants'
events, take an operator who may change the installation. Owns: that a secret's text
exists only in the `IssuedEndpoint` handed to its caller.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import httpx
from django.conf import settings

from kit.acting import current
from kit.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from kit.networks import address_of
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from kit.public_addresses import is_loopback, may_be_called
from kit.scopes import Scope
from metering.alerts import signing, telling
from metering.alerts.addresses import refuse_address
from metering.alerts.models import CHOSEN_EVENTS, Delivery, Endpoint, EventType
from tenants import rights
from tenants.credentials import OVERLAP_DEFAULT, require_overlap
from tenants.models import Member, Tenant

ENDPOINTS_MAX = 20
_URL_CHARS_MAX = 2000
_PORTS_END = 65_536


@dataclass(frozen=True, slots=True)
class IssuedEndpoint:
    """An endpoint and its new secret, which is shown once and kept sealed."""

    secret: str = field(repr=False)
    row: Endpoint


class EndpointChanges(TypedDict, total=False):
    """What may change of an endpoint."""

    name: str
    url: str
    events: Collection[str]


def create_endpoint(
    *,
    tenant: Tenant | None,
    name: str,
    url: str,
    events: Collection[str] = (),
) -> IssuedEndpoint:
    """Make an endpoint of a tenant, or without one of the installation.

    Raises `InvalidRequest` for an address that is never called, `Conflict` for too
    many, `PermissionDenied` for one of the installation by somebody who may not.
    """
    actor = current()
    if tenant is not None and actor.tenant_id not in (None, tenant.pk):
        raise InvalidRequest(f"There is no tenant {tenant.pk}.", param="tenant")
    _require_may_change(None if tenant is None else tenant.pk)
    with atomic():
        if tenant is not None:
            Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if Endpoint.objects.filter(tenant=tenant, removed_at=None).count() >= (
            ENDPOINTS_MAX
        ):
            raise Conflict(
                f"There are {ENDPOINTS_MAX} endpoints already. Remove one first."
            )
        row = Endpoint(tenant=tenant, name=name.strip(), url=_checked_url(url))
        row.events = _checked_events(events)
        secret = signing.new_secret()
        row.sealed_secret = signing.sealed(secret, uid=row.uid)
        create(row)
    return IssuedEndpoint(secret, row)


def update_endpoint(
    *, endpoint: Endpoint, **changes: Unpack[EndpointChanges]
) -> Endpoint:
    """Rename an endpoint, move it, choose other events for it.

    Raises `Conflict` when it was removed, `InvalidRequest` as `create_endpoint` does.
    """
    with atomic():
        row = _locked(endpoint)
        checked: dict[str, Any] = {**changes}
        if "name" in changes:
            checked["name"] = changes["name"].strip()
        if "url" in changes:
            checked["url"] = _checked_url(changes["url"])
        if "events" in changes:
            checked["events"] = _checked_events(changes["events"])
        change(row, checked)
    return row


def rotate_secret(
    *, endpoint: Endpoint, now: dt.datetime, overlap: dt.timedelta = OVERLAP_DEFAULT
) -> IssuedEndpoint:
    """Give an endpoint another secret; it is signed for by both during the overlap.

    The secret before the former one is not signed with any more, even if its overlap
    lasted longer. Raises `Conflict` when it was removed.
    """
    require_overlap(overlap)
    with atomic():
        row = _locked(endpoint)
        secret = signing.new_secret()
        has_overlap = overlap > dt.timedelta(0)
        change(
            row,
            {
                "sealed_secret": signing.sealed(secret, uid=row.uid),
                "sealed_former_secret": row.sealed_secret if has_overlap else None,
                "former_until": now + overlap if has_overlap else None,
            },
            action="rotate",
        )
    return IssuedEndpoint(secret, row)


def pause_endpoint(*, endpoint: Endpoint, now: dt.datetime) -> Endpoint:
    """Send an endpoint nothing until it is resumed. Idempotent."""
    with atomic():
        row = _locked(endpoint)
        if row.paused_at is None:
            why = Endpoint.PausedBecause.SOMEBODY
            change(row, {"paused_at": now, "paused_because": why}, action="pause")
    return row


def resume_endpoint(*, endpoint: Endpoint) -> Endpoint:
    """Call a paused endpoint again, with what still waits for it. Idempotent."""
    with atomic():
        row = _locked(endpoint)
        if row.paused_at is not None:
            changes = {"paused_at": None, "paused_because": "", "failing_since": None}
            change(row, changes, action="resume")
    return row


def remove_endpoint(*, endpoint: Endpoint, now: dt.datetime) -> Endpoint:
    """Call an endpoint never again, and forget its secret.

    Raises `Conflict` when it was removed before.
    """
    with atomic():
        row = _locked(endpoint)
        change(
            row,
            {
                "removed_at": now,
                "sealed_secret": b"",
                "sealed_former_secret": None,
                "former_until": None,
            },
            action="remove",
        )
    return row


def send_test(*, endpoint: Endpoint, now: dt.datetime) -> Delivery:
    """Send an endpoint a test; raises `Conflict` while it is paused.

    One at a time: whoever asks in a loop must not have somebody else called in one.
    """
    with atomic():
        row = _locked(endpoint)
        if row.paused_at is not None:
            raise Conflict("The endpoint is paused: resume it first.")
        untried = Delivery.objects.filter(
            endpoint=row,
            state=Delivery.State.WAITING,
            attempts=0,
            event__type=EventType.TEST,
        )
        if untried.exists():
            raise Conflict("A test is on its way already: wait for it.")
        return telling.tell_test(row, now=now)


def send_test_mail(*, member: Member, now: dt.datetime) -> Delivery:
    """Send a member, who asked for it, a mail as alerts are sent.

    Raises `Conflict` while one is on its way, or where there is no address.
    """
    if current().member_id != member.pk:
        raise NotFound(f"There is no member {member.pk}.")
    with atomic():
        row = Member.objects.select_related("tenant").get(pk=member.pk)
        if not row.email:
            raise Conflict("There is no address to send a mail to.")
        waiting = Delivery.objects.filter(
            member=row,
            channel=Delivery.Channel.MAIL,
            state=Delivery.State.WAITING,
            event__type=EventType.TEST,
        )
        if waiting.exists():
            raise Conflict("A test is on its way already: wait for it.")
        return telling.tell_test_mail(row, now=now)


def replay(*, delivery: Delivery, now: dt.datetime) -> Delivery:
    """Send an event to its endpoint once more, under the same id and marked as such.

    It is tried once and changes nothing of how the endpoint stands. One at a time, as
    tests are. Raises `NotFound`, or `Conflict` while it is paused or one is on its way.
    """
    if delivery.endpoint is None:
        raise NotFound(f"Delivery {delivery.pk} is not to an endpoint.")
    with atomic():
        row = _locked(delivery.endpoint)
        if row.paused_at is not None:
            raise Conflict("The endpoint is paused: resume it first.")
        if delivery.state == Delivery.State.WAITING:
            raise Conflict("It is still on its way: wait for it.")
        waiting = Delivery.objects.filter(
            endpoint=row, is_replay=True, state=Delivery.State.WAITING
        )
        if waiting.exists():
            raise Conflict("A replay is on its way already: wait for it.")
        return Delivery.objects.create(
            tenant_id=row.tenant_id,
            event_id=delivery.event_id,
            channel=Delivery.Channel.WEBHOOK,
            endpoint=row,
            is_replay=True,
            next_at=now,
            created_at=now,
        )


def _locked(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint as it is now, locked; raises `NotFound` or `Conflict`."""
    rows = Endpoint.objects.select_for_update(no_key=True, of=("self",))
    row = rows.select_related("tenant").filter(pk=endpoint.pk).first()
    actor = current()
    if row is None or not rights.reaches(
        actor, tenant_id=row.tenant_id, project_id=None
    ):
        raise NotFound(f"There is no webhook endpoint {endpoint.pk}.")
    _require_may_change(row.tenant_id)
    if row.removed_at is not None:
        raise Conflict("The endpoint was removed. Make another one.")
    return row


def _require_may_change(tenant_id: int | None) -> None:
    actor = current()
    if tenant_id is None and not (actor.is_operator and actor.may(Scope.OPERATE_WRITE)):
        raise PermissionDenied(
            "Only operators of the installation change its own endpoints. Name a"
            " tenant.",
            code="operators_only",
            param="tenant",
        )


def _checked_events(events: Collection[str]) -> list[str]:
    known = [str(each) for each in CHOSEN_EVENTS]
    unknown = sorted(set(events) - set(known))
    if unknown:
        raise InvalidRequest(
            f"There is no event '{unknown[0][:50]}'; there are: {', '.join(known)}.",
            param="events",
        )
    return [each for each in known if each in set(events)]


def _checked_url(text: str) -> str:
    """Return an address that may be called, as far as it can be told from its text.

    What its name leads to is looked up anew before each call.
    """
    try:
        url = httpx.URL(text.strip())
        port_fits = url.port is None or 0 < url.port < _PORTS_END
        is_whole = bool(url.host) and port_fits and len(text) <= _URL_CHARS_MAX
    except httpx.InvalidURL:
        is_whole = False
    if not is_whole:
        raise InvalidRequest("Give an address such as https://…", param="url")
    schemes = ("https", "http") if settings.WEBHOOK_HTTP_LOOPBACK else ("https",)
    if url.scheme not in schemes:
        raise InvalidRequest("Endpoints are called by https alone.", param="url")
    if url.userinfo or url.fragment:
        raise InvalidRequest(
            "Leave out the name and password, and what follows '#': what is called is"
            " signed instead.",
            param="url",
        )
    if address_of(url.host) is not None:
        allowed = settings.WEBHOOK_NETWORKS_ALLOWED
        is_fine = (
            is_loopback(url.host)
            if url.scheme == "http"
            else may_be_called(url.host, allowed=allowed)
        )
        if not is_fine:
            raise refuse_address(url.host)
    return str(url)
