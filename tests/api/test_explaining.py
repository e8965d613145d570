"""Tenants explain their own invoices, by their own role: the same days, no draft."""

from django.test import Client

from kit.orm.roles import as_operator
from metering.billing.models import InvoiceLine
from metering.billing.services import close_period, issue_invoice
from tenants.models import Tenant
from tests.api.callers import Callers
from tests.factories.billing import CLOSED, FIRST, STARTED, make_month, make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.factories.tenants import make_tenant
from tests.metering.billing.test_explaining import INPUT


def explained(client: Client, line: InvoiceLine, path: str = "") -> object:
    answer = client.get(
        f"/api/v1/invoices/{line.invoice_id}/lines/{line.position}/{path}"
    )
    return answer.json() if answer.status_code == 200 else answer.status_code


def make_issued(tenant: Tenant) -> list[InvoiceLine]:
    """Invoice a request: its input by a component, its output at its price."""
    with as_operator():
        make_subscription(
            tenant=tenant,
            starts_on=FIRST,
            now=STARTED,
            version=make_plan_version(currency="USD", components=[INPUT]),
        )
        make_month(tenant=tenant)
        invoice = close_period(tenant=tenant, date=FIRST, now=CLOSED).invoice
        assert invoice is not None
        issue_invoice(invoice=invoice, now=CLOSED)
        return list(invoice.lines.order_by("position"))


def test_a_tenant_sees_what_its_components_counted(caller: Callers) -> None:
    tenant = make_tenant_of()
    lines = make_issued(tenant)
    own, other = caller(tenant=tenant), caller(tenant=make_tenant())

    assert [line.kind for line in lines] == ["usage", "usage", "component"]
    for line in lines:
        shown = explained(own, line)
        assert isinstance(shown, dict)
        assert shown["adds_up"] is True
        assert [day["date"] for day in shown["days"]] == ["2026-09-10"]
        day = explained(own, line, "events/?date=2026-09-10")
        assert isinstance(day, dict)
        assert (day["adds_up"], day["events_count"]) == (True, 1)
        assert explained(other, line) == 404
        assert explained(other, line, "events/?date=2026-09-10") == 404
