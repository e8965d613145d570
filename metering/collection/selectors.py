"""Reads of collection. Failure: an unknown row raises `NotFound`."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min, Q, QuerySet

from kit.errors import NotFound
from metering.collection.models import Outgoing, PaymentMethod, PortalLink, Purchase
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class OutgoingBacklog:
    """How many facts a provider is not told of yet, and since when."""

    waiting: int
    refused: int
    oldest_at: dt.datetime | None


def outgoing_backlog() -> OutgoingBacklog:
    """Count the facts that a provider is not told of: those with a problem apart."""
    found = Outgoing.objects.filter(state=Outgoing.State.WAITING).aggregate(
        waiting=Count("pk", filter=Q(problem="")),
        refused=Count("pk", filter=~Q(problem="")),
        oldest_at=Min("asked_at"),
    )
    return OutgoingBacklog(**found)


def checkouts(
    *, tenant: Tenant | None = None, state: str | None = None
) -> QuerySet[Purchase]:
    """List what people are to pay on pages, the latest first."""
    rows = Purchase.objects.filter(way=Purchase.Way.CHECKOUT)
    rows = rows.select_related("top_up").order_by("-id")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    return rows if state is None else rows.filter(state=state)


def checkout(checkout_id: int) -> Purchase:
    """Return one of them; raises `NotFound`."""
    row = checkouts().filter(pk=checkout_id).first()
    if row is None:
        raise NotFound(f"There is no checkout {checkout_id}.")
    return row


def payment_methods(*, tenant: Tenant | None = None) -> QuerySet[PaymentMethod]:
    """List what tenants can pay with, the default ones first."""
    rows = PaymentMethod.objects.order_by("-is_default", "-id")
    return rows if tenant is None else rows.filter(tenant=tenant)


def portal_link(link_id: int) -> PortalLink:
    """Return one link; raises `NotFound`."""
    row = PortalLink.objects.filter(pk=link_id).first()
    if row is None:
        raise NotFound(f"There is no portal link {link_id}.")
    return row
