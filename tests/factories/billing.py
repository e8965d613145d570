"""Closed periods and invoices for tests, made from usage by services."""

import datetime as dt
from dataclasses import replace
from typing import Any

from kit.contracts import TokenCounts
from kit.orm.roles import as_operator
from metering.billing import services
from metering.billing.models import Invoice
from metering.usage.services import cover
from tenants.models import Tenant
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use

FIRST = dt.date(2026, 9, 1)
STARTED = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
CLOSED = dt.datetime(2026, 10, 2, tzinfo=dt.UTC)


def make_tenant_of(month: dt.date = FIRST, **fields: Any) -> Tenant:
    """Create a tenant whose calendar begins with a month."""
    tenant = make_tenant(**fields)
    with as_operator():
        created_at = dt.datetime.combine(month, dt.time(12), tzinfo=dt.UTC)
        Tenant.objects.filter(pk=tenant.pk).update(created_at=created_at)
        tenant.refresh_from_db()
        cover(tenant=tenant, earliest=created_at, latest=created_at)
    return tenant


def make_month(
    *, tenant: Tenant | None = None, counts: TokenCounts | None = None
) -> Use:
    """Commit one request of a tenant on the tenth of the month."""
    tenant = tenant or make_tenant_of()
    use = make_use(
        price=make_price(currency=tenant.currency),
        admitted_at=STARTED + dt.timedelta(days=9),
        tenant=tenant,
    )
    if counts is not None:
        use = replace(use, counts=counts)
    commit(make_epoch(started_at=STARTED, state="closed"), use)
    return use


def make_draft(
    *, tenant: Tenant | None = None, counts: TokenCounts | None = None
) -> Invoice:
    """Close a month with one request into a draft invoice."""
    with as_operator():
        tenant = tenant or make_tenant_of()
        make_month(tenant=tenant, counts=counts)
        closed = services.close_period(tenant=tenant, date=FIRST, now=CLOSED)
        assert closed.invoice is not None
        return closed.invoice
