"""Reads of plans."""

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
    rows = Tenant.objects.filter(plan=plan).count()
    return rows + tenants_on_no_plan() if plan.is_default else rows


def tenants_on_no_plan() -> int:
    """Count the tenants that the default plan, if there is one, holds for."""
    return Tenant.objects.filter(plan=None).count()


def with_tenant_counts(rows: QuerySet[Plan]) -> QuerySet[Plan]:
    """Add to each plan as `named_by` how many tenants are on it by name."""
    return rows.annotate(named_by=Count("tenants", filter=Q(tenants__isnull=False)))
