"""What a provider holds otherwise, and what nobody saw through, is a difference."""

from collections.abc import Iterator

import pytest
from django.db import connections

from kit.orm.roles import as_operator
from metering.collection.models import Comparison, Standing
from metering.reconciliation.catalogue import ALL
from metering.reconciliation.checks.check import Finding, Scope
from tests.databases import Database
from tests.factories.inbox import take_in, told
from tests.metering.billing.providers.scene import NOW, make_draft

# Long ago, whenever this runs.
AGO = NOW.replace(year=2020)


@pytest.fixture
def operator(fresh_database: Database) -> Iterator[None]:
    with as_operator():
        yield
    connections.close_all()


def found(name: str, **scope: int) -> Finding:
    return ALL[name].run(Scope(**scope))  # type: ignore[arg-type]


def test_an_invoice_that_stands_otherwise_there(operator: None) -> None:
    invoice = make_draft(100, provider="stripe")
    invoice.number = "T-2026-000001"
    invoice.save()
    standing = Standing.objects.create(
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        account="default",
        reference="in_1",
        status="void",
        remaining_minor=0,
        read_at=AGO,
    )
    assert found("invoices_collected").differences == 0
    standing.difference, standing.differs_since = "It was voided there.", AGO
    standing.save()
    finding = found("invoices_collected", tenant_id=invoice.tenant_id)
    assert (finding.rows, finding.differences) == (1, 1)
    assert finding.listed[0].subject == "T-2026-000001"
    assert finding.listed[0].found == "It was voided there."
    assert found("invoices_collected", tenant_id=0).rows == 0


def test_events_that_nobody_saw_through(operator: None) -> None:
    take_in(told("evt_1", "customer.created"), now=AGO)
    assert found("providers_heard").differences == 0
    take_in(told("evt_2", "invoice.paid"), now=AGO)
    take_in(told("evt_3", "invoice.paid"), problem="Of another version.")
    finding = found("providers_heard")
    assert {each.subject for each in finding.listed} == {
        "invoice.paid evt_2",
        "invoice.paid evt_3",
    }


def test_a_comparison_that_was_not_made(operator: None) -> None:
    Comparison.objects.create(account="default", compared_at=AGO)
    Comparison.objects.create(account="europe", problem="It lacks a permission.")
    listed = {each.subject: each.found for each in found("providers_heard").listed}
    assert listed["account default"].startswith("last 2020-12-01 06:00")
    assert "lacks a permission" in listed["account europe"]
