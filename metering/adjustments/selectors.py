"""Reads of adjustments and re-ratings, and what stands of a request now.

Failure: what is not there, or out of the caller's reach, raises `NotFound`.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from kit.acting import current
from kit.contracts import EventKind, TokenCounts
from kit.errors import NotFound
from kit.ids import unix_ms_of
from metering.adjustments.models import Adjustment, ReratedTenant, Rerating
from metering.usage.corrections import Request, standing_of, total_of
from metering.usage.models import Event
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Net:
    """What stands of a request, all corrections included."""

    counts: TokenCounts
    charge_picos: int


def adjustments(
    *,
    tenant: Tenant | None = None,
    kind: str | None = None,
    request_id: UUID | None = None,
) -> QuerySet[Adjustment]:
    """List adjustments within the caller's reach, newest first.

    Who is kept to projects sees those of requests of theirs.
    """
    rows = Adjustment.objects.order_by("-id")
    projects = current().project_ids
    if projects is not None:
        rows = rows.filter(project_id__in=projects)
    if tenant is not None:
        rows = rows.filter(tenant_id=tenant.pk)
    if kind is not None:
        rows = rows.filter(kind=kind)
    if request_id is not None:
        rows = rows.filter(request_id=request_id)
    return rows


def adjustment(adjustment_id: int) -> Adjustment:
    """Return one adjustment; raises `NotFound`."""
    row = adjustments().filter(pk=adjustment_id).first()
    if row is None:
        raise NotFound(f"There is no adjustment {adjustment_id}.")
    return row


def reratings(
    *, state: str | None = None, model: str | None = None
) -> QuerySet[Rerating]:
    """List re-ratings, newest first, each with its price at hand."""
    rows = Rerating.objects.select_related("book", "price").order_by("-id")
    if state is not None:
        rows = rows.filter(state=state)
    if model is not None:
        rows = rows.filter(model=model)
    return rows


def rerating(rerating_id: int) -> Rerating:
    """Return one re-rating; raises `NotFound`."""
    row = reratings().filter(pk=rerating_id).first()
    if row is None:
        raise NotFound(f"There is no re-rating {rerating_id}.")
    return row


def rerated_tenants(row: Rerating) -> QuerySet[ReratedTenant]:
    """Return what a re-rating has come to so far, by tenant."""
    return row.tenants.select_related("tenant").order_by("tenant_id")


def net_of(row: Adjustment) -> Net | None:
    """Return what stands now of the request of an adjustment; None without one."""
    if row.request_id is None:
        return None
    request = Request(row.tenant_id, row.request_id)
    stands = standing_of([request]).get(request, [])
    return Net(total_of(stands), sum(each.charge_picos for each in stands))


def request_of(request_id: UUID) -> Request:
    """Return the request that has an id, whichever tenant's; raises `NotFound`."""
    found = (
        Event.objects.filter(request_id=request_id, kind=EventKind.REQUEST)
        .values_list("tenant_id", flat=True)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no request {request_id}.")
    return Request(found, request_id)


def made_at(request: Request) -> dt.datetime:
    """Return when a request was admitted, to the millisecond, as its id says."""
    return dt.datetime.fromtimestamp(unix_ms_of(request.request_id) / 1000, dt.UTC)
