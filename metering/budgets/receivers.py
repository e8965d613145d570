"""Recall the leases of each tenant whose limits change, whoever changes them.

In the transaction of the change: budgets, quotas, plans and whose plan they are. How a
tenant pays is followed by the ledger, which recalls too; rate limits have no leases.

Failure: a change that cannot be recalled is not made.
"""

from collections.abc import Collection
from typing import Any

from django.db.models import Q
from django.db.models.signals import post_save

from metering.budgets.recalling import recall
from tenants.models import Budget, Plan, Quota, Tenant


def connect() -> None:
    """Follow the rows that say what tenants may use."""
    for limit in (Budget, Quota):
        post_save.connect(_limit_saved, sender=limit, dispatch_uid=f"budgets.{limit}")
    post_save.connect(_plan_saved, sender=Plan, dispatch_uid="budgets.plan")
    post_save.connect(_tenant_saved, sender=Tenant, dispatch_uid="budgets.tenant")


def _limit_saved(instance: Budget | Quota, **_: Any) -> None:
    if instance.plan is not None:
        recall(tenant_ids=_tenants_on(instance.plan))
    elif instance.tenant_id is not None:
        recall(tenant_ids=[instance.tenant_id])


def _plan_saved(
    instance: Plan, created: bool, update_fields: Collection[str] | None, **_: Any
) -> None:
    """Recall those on no plan when the one that holds for them changes."""
    if created and not instance.is_default:
        return
    if update_fields is None or "is_default" in update_fields:
        recall(tenant_ids=_ids(Q(plan=None)))


def _tenant_saved(
    instance: Tenant, created: bool, update_fields: Collection[str] | None, **_: Any
) -> None:
    if not created and (update_fields is None or "plan" in update_fields):
        recall(tenant_ids=[instance.pk])


def _tenants_on(plan: Plan) -> list[int]:
    return _ids(Q(plan=plan) | Q(plan=None) if plan.is_default else Q(plan=plan))


def _ids(condition: Q) -> list[int]:
    return list(Tenant.objects.filter(condition).values_list("pk", flat=True))
