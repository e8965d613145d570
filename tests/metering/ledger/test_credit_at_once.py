"""Credit and leases at once: one waits for the other, whichever comes first."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from kit.orm.atomic import atomic, cursor
from kit.orm.roles import as_operator
from metering.budgets.models import Window
from metering.budgets.recalling import hold_credit
from metering.ledger.models import CreditGrant, Transaction
from metering.ledger.services import end_credit, grant_credit
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.tenants import make_tenant
from tests.factories.usage import make_epoch

UNIT = 10**12


def give(tenant: Tenant) -> CreditGrant:
    """Grant credit under the one reference."""
    return grant_credit(
        tenant=tenant,
        now=database_now(),
        source="top_up",
        amount_picos=10 * UNIT,
        reference="payment",
    )


def lease(tenant: Tenant, epoch_id: int) -> int:
    """Take a lease of the tenant's credit as a gateway does; return how much."""
    window = Window.objects.using("owner").get(tenant_id=tenant.pk)
    with connections["owner"].cursor() as session:
        session.execute(
            "SELECT granted FROM budgets_grant(%s, ARRAY[%s]::bigint[],"
            " ARRAY[1]::numeric[], ARRAY[1]::numeric[])",
            [epoch_id, window.pk],
        )
        return int(session.fetchone()[0])


def test_a_reference_that_comes_twice_at_once_is_granted_once(
    fresh_database: object,
) -> None:
    with as_operator():
        tenant = make_tenant(payment_mode="prepaid")
    with ThreadPoolExecutor() as threads:
        with as_operator(), atomic():
            hold_credit(tenant_id=tenant.pk)
            both = [
                threads.submit(as_another_operator, lambda: give(tenant))
                for _ in range(2)
            ]
            wait_until_blocked(2)
        assert [each.result() for each in both] == [None, None]
    with as_operator():
        assert CreditGrant.objects.count() == 1
        assert Transaction.objects.count() == 1
    connections.close_all()


def test_no_lease_is_granted_of_credit_that_is_being_ended(
    fresh_database: object,
) -> None:
    with as_operator():
        tenant = make_tenant(payment_mode="prepaid")
        grant = give(tenant)
        epoch = make_epoch(started_at=database_now())
    assert lease(tenant, epoch.pk) == 1

    def late() -> int:
        try:
            return lease(tenant, epoch.pk)
        finally:
            connections["owner"].close()

    with ThreadPoolExecutor() as threads:
        with as_operator(), atomic():
            end_credit(grant=grant, now=database_now())
            waiting = threads.submit(late)
            wait_until_blocked()
        assert waiting.result() == 0
    with as_operator(), cursor() as session:
        session.execute("SELECT sum(amount) FROM budgets_lease")
        assert session.fetchone() == (1,)
    connections.close_all()
