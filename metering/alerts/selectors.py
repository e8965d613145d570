"""Reads of webhook endpoints and of what was sent to them, as far as the actor sees."""

from typing import TypedDict, Unpack

from django.db.models import Q, QuerySet

from kit.acting import current
from kit.errors import NotFound
from metering.alerts.models import Delivery, Endpoint

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


def _within_reach() -> QuerySet[Endpoint]:
    actor, rows = current(), Endpoint.objects.all()
    if actor.tenant_id is None:
        return rows
    return rows.filter(tenant_id=actor.tenant_id)
