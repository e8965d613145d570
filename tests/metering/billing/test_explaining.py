"""A line explained down to its requests: every level is the sum of the one below."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from kit.contracts import TokenCounts
from kit.errors import NotFound
from metering.billing import services
from metering.billing.explaining import explain_day, explain_line, line_at
from metering.billing.models import Invoice, InvoiceLine
from metering.ledger.services import post_days
from tests.factories.billing import CLOSED, FIRST, STARTED, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use, undoing

pytestmark = pytest.mark.usefixtures("operator_db")
ONE_DAY = dt.timedelta(days=1)
TENTH = dt.date(2026, 9, 10)


def make_invoice() -> tuple[Invoice, Any, Any]:
    """Issue a month of three requests on two days, one of them half taken back."""
    tenant = make_tenant_of()
    use = replace(
        make_use(price=make_price(), admitted_at=STARTED + 9 * ONE_DAY, tenant=tenant),
        counts=TokenCounts(input_tokens=1000, cached_input_tokens=0, output_tokens=7),
    )
    epoch = make_epoch(started_at=STARTED, state="closed")
    first, _, _ = commit(
        epoch, use, use, replace(use, admitted_at=use.admitted_at + ONE_DAY)
    )
    commit(epoch, undoing(first, use))
    invoice = services.close_period(tenant=tenant, date=FIRST, now=CLOSED).invoice
    assert invoice is not None
    return invoice, epoch, use


def test_every_line_is_the_sum_of_its_days_and_each_day_of_its_requests() -> None:
    invoice, _, _ = make_invoice()
    lines = list(InvoiceLine.objects.filter(invoice=invoice).order_by("position"))
    assert len(lines) == 2

    for line in lines:
        found = explain_line(invoice, line)
        assert [day.date for day in found.days] == [TENTH, TENTH + ONE_DAY]
        assert found.quantity == line.quantity
        assert found.charge_picos == line.exact_picos
        for day, count in zip(found.days, (3, 1), strict=True):
            explained = explain_day(found, day.date, size=50)
            assert explained.events_count == len(explained.events) == count
            assert explained.events_picos == day.charge_picos
            assert explained.elsewhere_quantity == 0
            assert sum(e.charge_picos for e in explained.events) == day.charge_picos


def test_requests_come_in_pages_each_once() -> None:
    invoice, _, _ = make_invoice()
    found = explain_line(invoice, line_at(invoice, 1))
    pages = [explain_day(found, TENTH, size=2)]
    while pages[-1].after is not None:
        pages.append(explain_day(found, TENTH, after=pages[-1].after, size=2))

    ids = [event.request_id for page in pages for event in page.events]
    assert [len(page.events) for page in pages] == [2, 1]
    assert ids == sorted(set(ids))


def test_what_came_too_late_is_elsewhere() -> None:
    invoice, epoch, use = make_invoice()
    commit(epoch, use)
    post_days(now=CLOSED + ONE_DAY)
    found = explain_line(invoice, line_at(invoice, 1))

    explained = explain_day(found, TENTH, size=50)

    assert found.quantity == found.line.quantity
    assert explained.elsewhere_quantity == 1000
    assert explained.events_quantity == explained.day.quantity + 1000


def test_an_adjustment_names_the_days_that_it_adjusts() -> None:
    invoice, epoch, use = make_invoice()
    october = dt.date(2026, 10, 5)
    commit(epoch, use, replace(use, admitted_at=STARTED + 34 * ONE_DAY))
    now = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
    later = services.close_period(
        tenant=invoice.tenant, date=dt.date(2026, 10, 1), now=now
    ).invoice
    assert later is not None
    lines = list(InvoiceLine.objects.filter(invoice=later).order_by("position"))

    assert [line.kind for line in lines] == ["usage"] * 2 + ["adjustment"] * 2
    for line, date in zip(lines, (october, october, TENTH, TENTH), strict=True):
        found = explain_line(later, line)
        assert [(day.date, day.quantity) for day in found.days] == [
            (date, line.quantity)
        ]
        assert found.charge_picos == line.exact_picos


def test_over_http_it_adds_up_and_what_is_not_there_is_404(operator: Client) -> None:
    invoice, _, _ = make_invoice()
    address = f"/api/v1/invoices/{invoice.pk}/lines/1/"

    line = operator.get(address).json()
    page = operator.get(f"{address}events/?date=2026-09-10&limit=2").json()
    following = operator.get(page["next"]).json()

    assert line["adds_up"] is True
    assert page["adds_up"] is True
    assert len(page["data"]) + len(following["data"]) == page["events_count"] == 3
    assert following["next"] is None
    assert operator.get(f"{address}events/?date=2026-09-12").status_code == 404
    assert operator.get(f"{address}events/").status_code == 400
    assert operator.get(f"/api/v1/invoices/{invoice.pk}/lines/99/").status_code == 404
    with pytest.raises(NotFound):
        line_at(invoice, 99)


def test_days_that_a_component_charges_are_left_out() -> None:
    """Of a plan that ended on the tenth: what is left are the days after it."""
    invoice, _, _ = make_invoice()
    line = line_at(invoice, 1)
    InvoiceLine.objects.create(
        tenant_id=line.tenant_id,
        invoice=invoice,
        position=90,
        kind=InvoiceLine.Kind.COMPONENT,
        key="component/2026-09-01/1",
        description="Team, tokens",
        quantity=1000,
        exact_picos=0,
        amount_minor=0,
        document={"first_date": "2026-09-01", "end_date": "2026-09-11"},
    )
    whole = explain_line(invoice, line)
    line.quantity = 1000

    left = explain_line(invoice, line)

    assert len(whole.days) == 2
    assert [day.date for day in left.days] == [TENTH + ONE_DAY]
    assert explain_line(invoice, line_at(invoice, 90)).days == ()
