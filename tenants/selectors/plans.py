"""Reads of plans."""

from collections.abc import Collection

from django.db.models import Count, Q, QuerySet

from kit.errors import NotFound
from tenants.models import Plan, Tenant


def plans(*, slug: str | None = None, is_default: bool | None = None) -> QuerySet[Plan]:
    """List plans; a tenant sees the one that holds for it."""
    rows = Plan.objects.all()
    if slug is not None:
        rows = rows.filter(slug=slug)
    if is_default is not None:
        rows = rows.filter(is_default=is_default)
    return rows


def plan(plan_id: int) -> Plan:
    """Return one plan; raises `NotFound`."""
    row = Plan.objects.filter(pk=plan_id).first()
    if row is None:
        raise NotFound(f"There is no plan {plan_id}.")
    return row


def plan_of(tenant: Tenant) -> Plan | None:
    """Return the plan that holds for a tenant: its own, else the default one."""
    if tenant.plan_id is not None:
        return tenant.plan
    return Plan.objects.filter(is_default=True).first()


def tenants_of_plan(plan: Plan) -> int:
    """Count the tenants that a plan holds for."""
    return tenant_counts([plan])[plan.pk]


def tenant_counts(plans: Collection[Plan]) -> dict[int, int]:
    """Count the tenants that each plan holds for, by its id, in one query.

    The default plan holds for those on it and for those on none.
    """
    rows = Tenant.objects.filter(Q(plan__in=[plan.pk for plan in plans]) | Q(plan=None))
    counted = rows.values_list("plan_id").annotate(Count("pk")).order_by()
    found: dict[int | None, int] = dict(counted)
    return {
        plan.pk: found.get(plan.pk, 0) + (found.get(None, 0) if plan.is_default else 0)
        for plan in plans
    }


def tenants_on_no_plan() -> int:
    """Count the tenants that the default plan, if there is one, holds for."""
    return Tenant.objects.filter(plan=None).count()
