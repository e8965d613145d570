"""Reads of webhook endpoints and of what was sent to them, as far as the actor sees."""

import datetime as dt
from collections.abc import Collection
from typing import TypedDict, Unpack

from django.db.models import Count, Q, QuerySet

from kit.acting import current
from kit.errors import NotFound
from metering.alerts.models import Crossing, Delivery, Endpoint

_REMOVED = Q(removed_at__isnull=False)
STATES = {
    "removed": _REMOVED,
    "paused": ~_REMOVED & Q(paused_at__isnull=False),
    "failing": ~_REMOVED & Q(paused_at=None, failing_since__isnull=False),
    "active": ~_REMOVED & Q(paused_at=None, failing_since=None),
}


class EndpointFilters(TypedDict, total=False):
    """What endpoints may be narrowed by."""

    tenant_id: int
    state: str


def endpoints(**filters: Unpack[EndpointFilters]) -> QuerySet[Endpoint]:
    """List endpoints, newest first."""
    rows = _within_reach()
    if "tenant_id" in filters:
        rows = rows.filter(tenant_id=filters["tenant_id"])
    if "state" in filters:
        rows = rows.filter(STATES[filters["state"]])
    return rows


def endpoint(endpoint_id: int) -> Endpoint:
    """Return one endpoint; raises `NotFound`."""
    row = _within_reach().filter(pk=endpoint_id).first()
    if row is None:
        raise NotFound(f"There is no webhook endpoint {endpoint_id}.")
    return row


def deliveries_to(
    endpoint: Endpoint, *, state: str | None = None
) -> QuerySet[Delivery]:
    """List what was or is to be sent to an endpoint, newest first."""
    rows = Delivery.objects.filter(endpoint=endpoint).select_related("event")
    return rows if state is None else rows.filter(state=state)


def delivery(endpoint: Endpoint, delivery_id: int) -> Delivery:
    """Return one delivery to an endpoint; raises `NotFound`."""
    row = deliveries_to(endpoint).filter(pk=delivery_id).first()
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id} to this endpoint.")
    return row


def failed_lately(
    endpoint_ids: Collection[int], *, since: dt.datetime
) -> dict[int, tuple[int, int]]:
    """Return, per endpoint, how many deliveries failed of how many tried since then.

    What is still being tried has failed as soon as one attempt of it did.
    """
    tried = Delivery.objects.filter(
        endpoint_id__in=list(endpoint_ids),
        created_at__gte=since,
        attempts__gt=0,
        is_replay=False,
    )
    failed = Q(state=Delivery.State.GIVEN_UP) | Q(
        state=Delivery.State.WAITING, last_error__gt=""
    )
    counted = tried.values("endpoint_id").annotate(
        failed=Count("id", filter=failed), tried=Count("id")
    )
    return {
        row["endpoint_id"]: (row["failed"], row["tried"])
        for row in counted.order_by("endpoint_id")
    }


def crossings(*, tenant_id: int) -> QuerySet[Crossing]:
    """List the shares of a tenant's limits that were crossed, the latest first."""
    return Crossing.objects.filter(tenant_id=tenant_id)


def _within_reach() -> QuerySet[Endpoint]:
    actor, rows = current(), Endpoint.objects.all()
    if actor.tenant_id is None:
        return rows
    return rows.filter(tenant_id=actor.tenant_id)
