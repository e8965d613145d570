"""Reads of top-ups and their rules."""

from django.db.models import QuerySet

from kit.errors import NotFound
from metering.topups.models import TopUp, TopUpRule
from tenants.models import Tenant


def top_ups(
    *, tenant: Tenant | None = None, state: str | None = None
) -> QuerySet[TopUp]:
    """List top-ups, newest first."""
    rows = TopUp.objects.order_by("-id")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    return rows if state is None else rows.filter(state=state)


def top_up(top_up_id: int) -> TopUp:
    """Return one top-up; raises `NotFound`."""
    row = TopUp.objects.filter(pk=top_up_id).first()
    if row is None:
        raise NotFound(f"There is no top-up {top_up_id}.")
    return row


def rules(*, tenant: Tenant | None = None) -> QuerySet[TopUpRule]:
    """List the rules that ask for top-ups, newest first."""
    rows = TopUpRule.objects.select_related("tenant").order_by("-id")
    return rows if tenant is None else rows.filter(tenant=tenant)


def rule(rule_id: int) -> TopUpRule:
    """Return one rule; raises `NotFound`."""
    row = rules().filter(pk=rule_id).first()
    if row is None:
        raise NotFound(f"There is no top-up rule {rule_id}.")
    return row
