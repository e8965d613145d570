"""Writes of plans: create them, say which is the default, and put tenants on them."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from tenants.models import Plan, Tenant


class PlanSettings(TypedDict, total=False):
    """What may be said of a plan besides its name, and besides its limits."""

    weight: int
    priority_max: str


class PlanChanges(PlanSettings, total=False):
    """What may change of a plan; its slug stays."""

    name: str


def create_plan(
    *, slug: str, name: str, is_default: bool = False, **settings: Unpack[PlanSettings]
) -> Plan:
    """Create a plan, which limits nothing yet.

    Raises `Conflict` when the slug is taken, `InvalidRequest` for a value out of form.
    """
    plan = Plan(slug=slug, name=name, **settings)
    with atomic():
        create(plan)
        if is_default:
            plan = make_default_plan(plan=plan)
    return plan


def update_plan(*, plan: Plan, **changes: Unpack[PlanChanges]) -> Plan:
    """Change a plan: its name, and how its tenants stand beside others.

    Keys that may ask for more than its best priority keep that, and get the plan's.

    Raises `InvalidRequest` for a value out of form.
    """
    with atomic():
        row = Plan.objects.select_for_update().get(pk=plan.pk)
        change(row, changes)
    return row


def make_default_plan(*, plan: Plan) -> Plan:
    """Let a plan hold for every tenant that is on no other. Idempotent.

    The plan that was the default until now ceases to be it in the same moment.
    """
    with atomic():
        plans = _locked()
        row = plans[plan.pk]
        _cease(other for other in plans.values() if other != row)
        change(row, {"is_default": True}, action="make_default")
    return row


def clear_default_plan(*, plan: Plan) -> Plan:
    """Let a plan hold only for the tenants that are on it. Idempotent."""
    with atomic():
        row = _locked()[plan.pk]
        _cease([row])
    return row


def set_plan(*, tenant: Tenant, plan: Plan) -> Tenant:
    """Put a tenant on a plan; its own limits stay and go first. Idempotent."""
    return _put(tenant, plan)


def clear_plan(*, tenant: Tenant) -> Tenant:
    """Take a tenant off its plan, so that the default one holds. Idempotent."""
    return _put(tenant, None)


def _put(tenant: Tenant, plan: Plan | None) -> Tenant:
    action = "clear_plan" if plan is None else "set_plan"
    with atomic():
        row = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        change(row, {"plan": plan}, action=action)
    return row


def _locked() -> dict[int, Plan]:
    """Lock every plan in one order: who switches at the same moment waits here."""
    return {row.pk: row for row in Plan.objects.select_for_update().order_by("pk")}


def _cease(plans: Iterable[Plan]) -> None:
    for row in plans:
        change(row, {"is_default": False}, action="cease_to_be_default")
