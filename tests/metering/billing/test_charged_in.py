"""From a request to the invoice lines that charge it."""

import datetime as dt
from dataclasses import replace

import pytest

from kit.contracts import TokenCounts
from kit.orm.roles import as_operator, as_tenant
from metering.billing import services
from metering.billing.charged_in import charged_in
from metering.billing.models import InvoiceLine
from metering.ledger.services import post_days
from tests.factories.billing import CLOSED, FIRST, STARTED, make_month, make_tenant_of
from tests.factories.usage import Use, commit, make_epoch

pytestmark = pytest.mark.usefixtures("fresh_database")
ONE_DAY = dt.timedelta(days=1)


def lines_of(use: Use) -> list[tuple[int | None, str]]:
    """Return the classes and kinds of the lines, as the tenant reads them."""
    with as_tenant(use.tenant_id):
        found = charged_in(
            tenant_id=use.tenant_id, at=use.admitted_at, price_ids={use.price.id}
        )
        assert found is not None
        return [(line.token_class, line.kind) for line in found.lines]


def test_a_request_leads_to_the_lines_of_its_classes() -> None:
    tenant = make_tenant_of()
    use = make_month(tenant=tenant)
    assert lines_of(use) == []

    with as_operator():
        services.close_period(tenant=tenant, date=FIRST, now=CLOSED)
        expected = [
            (line.token_class, InvoiceLine.Kind.USAGE)
            for line in InvoiceLine.objects.filter(tenant_id=tenant.pk, kind="usage")
        ]

    assert len(expected) == 3
    assert lines_of(use) == expected
    elsewhere = replace(use, admitted_at=use.admitted_at + ONE_DAY)
    assert lines_of(elsewhere) == []


def test_what_came_late_is_on_a_line_of_the_next_invoice_too() -> None:
    tenant = make_tenant_of()
    use = make_month(tenant=tenant)
    with as_operator():
        services.close_period(tenant=tenant, date=FIRST, now=CLOSED)
    only_output = TokenCounts(output_tokens=5)
    commit(
        make_epoch(started_at=STARTED, state="closed"), replace(use, counts=only_output)
    )
    later = CLOSED + dt.timedelta(days=31)
    with as_operator():
        post_days(now=later)
        services.close_period(tenant=tenant, date=dt.date(2026, 10, 1), now=later)

    kinds = [kind for _, kind in lines_of(use)]
    assert kinds == ["usage", "usage", "usage", "adjustment"]


def test_what_came_late_is_on_no_line_of_the_invoice_before_it() -> None:
    """Though that has a line of the same class, of another day."""
    tenant = make_tenant_of()
    use = make_month(tenant=tenant, counts=TokenCounts(input_tokens=5))
    late = replace(use, counts=TokenCounts(output_tokens=5))
    next_day = replace(late, admitted_at=use.admitted_at + ONE_DAY)
    commit(make_epoch(started_at=STARTED, state="closed"), next_day)
    with as_operator():
        services.close_period(tenant=tenant, date=FIRST, now=CLOSED)
    assert [kind for _, kind in lines_of(use)] == ["usage"]

    commit(make_epoch(started_at=STARTED, state="closed"), late)
    with as_operator():
        post_days(now=CLOSED)

    assert [kind for _, kind in lines_of(use)] == ["usage"]


def test_an_instant_before_every_day_is_on_no_invoice() -> None:
    tenant = make_tenant_of()
    with as_tenant(tenant.pk):
        assert (
            charged_in(tenant_id=tenant.pk, at=STARTED - 99 * ONE_DAY, price_ids={1})
            is None
        )
