"""Whatever changes what a tenant may use recalls its leases in the same transaction."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connections

from kit.acting import Actor, ActorKind, acting_as
from kit.orm.roles import as_operator, as_tenant
from metering.budgets.models import Window
from metering.budgets.recalling import hold_credit
from metering.ledger.models import CreditGrant
from metering.ledger.services import end_credit, grant_credit, reverse_credit
from metering.usage.selectors import database_now
from tenants import services
from tenants.models import Plan, Quota, Tenant
from tenants.services import Holder
from tests.factories.limits import make_budget, make_plan, make_quota, make_rate_limit
from tests.factories.tenants import default_project, make_key, make_tenant

UNIT = 10**12


class World:
    """A tenant on a plan, one on none, and one that nothing here concerns."""

    def __init__(self) -> None:
        self.plan, self.default = make_plan(), make_plan(is_default=True)
        self.on_plan = services.set_plan(tenant=make_tenant(), plan=self.plan)
        self.on_none = make_tenant()
        self.other = services.set_plan(tenant=make_tenant(), plan=make_plan())
        for tenant in (self.on_plan, self.on_none, self.other):
            hold_credit(tenant_id=tenant.pk)

    def recalled(self, act: Callable[["World"], object]) -> set[int]:
        """Return the tenants whose leases something recalls."""
        before = recalls()
        act(self)
        return {tenant for tenant, at in recalls().items() if at != before[tenant]}


def recalls() -> dict[int, dt.datetime | None]:
    """Return when the leases of each tenant's credit were last recalled."""
    found = Window.objects.filter(kind=Window.Kind.CREDIT)
    return dict(found.values_list("tenant_id", "recalled_at"))


def granted(tenant: Tenant) -> CreditGrant:
    """Grant credit."""
    now, reference = database_now(), str(CreditGrant.objects.count())
    return grant_credit(
        tenant=tenant,
        now=now,
        source="top_up",
        amount_picos=UNIT,
        reference=reference,
    )


def changed_quota(tenant: Tenant) -> None:
    row = Quota.objects.filter(tenant=tenant).first() or make_quota(tenant=tenant)
    services.change_limit(limit=row, value=row.value + 1, now=database_now())
    services.end_limit(limit=row, now=database_now())


OF_ONE: dict[str, Callable[[Tenant], object]] = {
    "a budget": lambda tenant: make_budget(tenant=tenant),
    "a project's budget": lambda tenant: make_budget(project=default_project(tenant)),
    "a key's quota": lambda tenant: make_quota(api_key=make_key(tenant=tenant).row),
    "a change": changed_quota,
    "its plan": lambda tenant: services.set_plan(tenant=tenant, plan=make_plan()),
    "how it pays": lambda tenant: services.set_payment_mode(
        tenant=tenant, payment_mode="prepaid"
    ),
    "credit": granted,
    "the end of credit": lambda tenant: end_credit(
        grant=granted(tenant), now=database_now()
    ),
    "a refund": lambda tenant: reverse_credit(
        grant=granted(tenant), amount_picos=1, reversal="refund", now=database_now()
    ),
}


@pytest.mark.parametrize("what", OF_ONE)
def test_what_concerns_one_tenant_recalls_its_leases(
    operator_db: None, what: str
) -> None:
    world = World()
    assert world.recalled(lambda it: OF_ONE[what](it.on_none)) == {world.on_none.pk}


def test_what_has_no_leases_recalls_none(operator_db: None) -> None:
    world = World()
    for act in (
        lambda it: make_rate_limit(tenant=it.on_none),
        lambda it: services.update_tenant(tenant=it.on_none, name="Other"),
        lambda it: services.update_plan(plan=it.default, name="Other"),
        lambda it: make_plan(),
    ):
        assert world.recalled(act) == set()


def test_a_plans_budget_recalls_the_tenants_that_it_holds_for(
    operator_db: None,
) -> None:
    world = World()

    def set_on(plan: Plan) -> set[int]:
        return world.recalled(lambda _: make_budget(plan=plan, currency="USD"))

    assert set_on(world.plan) == {world.on_plan.pk}
    assert set_on(world.default) == {world.on_none.pk}


def test_another_default_plan_recalls_those_on_none(operator_db: None) -> None:
    world = World()
    found = world.recalled(lambda it: services.make_default_plan(plan=it.plan))
    assert found == {world.on_none.pk}


def test_a_tenants_own_budget_recalls_in_its_own_role(fresh_database: object) -> None:
    with as_operator():
        tenant = make_tenant()
        make_quota(tenant=tenant)
        hold_credit(tenant_id=tenant.pk)
        before = recalls()
    actor = Actor(ActorKind.TENANT_TOKEN, tenant_id=tenant.pk)
    with acting_as(actor), as_tenant(tenant.pk):
        services.create_budget(
            holder=Holder.of(tenant=tenant),
            now=database_now(),
            window="month",
            amount_picos=UNIT,
        )
    with as_operator():
        assert recalls() != before
    connections.close_all()
