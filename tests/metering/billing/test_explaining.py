"""A line explained down to its requests: every level is the sum of the one below."""

import datetime as dt
import time
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from kit.contracts import TokenClass, TokenCounts
from kit.errors import NotFound
from metering.billing import services
from metering.billing.explaining import explain_day, explain_line, line_at
from metering.billing.models import Invoice, InvoiceLine
from metering.ledger.services import post_days
from metering.subscriptions.services import ComponentWanted, change_subscription
from tests.factories.billing import (
    CLOSED,
    FIRST,
    STARTED,
    make_month,
    make_tenant_of,
)
from tests.factories.pricing import make_price
from tests.factories.subscriptions import make_plan_version, make_subscription
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


INPUT = ComponentWanted(
    name="Input",
    meter="tokens",
    token_classes=[TokenClass.INPUT],
    document={"model": "per_unit", "unit_price": "2", "unit_size": "1000000"},
)
SHARE = ComponentWanted(
    name="Handling",
    meter="charge",
    document={"model": "percentage", "rate_percent": "10"},
)


def make_changed(*days: int, per_day: int) -> Invoice:
    """Invoice days of use; each of them begins another plan, the first without tokens.

    So the second, the fourth and so on are charged by a component.
    """
    tenant = make_tenant_of()
    plans = [
        make_plan_version(currency="USD", components=[each]) for each in (SHARE, INPUT)
    ]
    row = None
    for number, day in enumerate(days):
        date, version = FIRST.replace(day=day), plans[number % 2]
        row = (
            make_subscription(
                tenant=tenant, version=version, starts_on=date, now=STARTED
            )
            if row is None
            else change_subscription(
                subscription=row, version=version, starts_on=date, now=STARTED
            )
        )
    use = replace(
        make_use(price=make_price(), admitted_at=STARTED, tenant=tenant),
        counts=TokenCounts(input_tokens=per_day),
    )
    commit(
        make_epoch(started_at=STARTED, state="closed"),
        *(
            replace(use, admitted_at=STARTED + (day - 1) * ONE_DAY + ONE_DAY / 2)
            for day in days
        ),
    )
    invoice = services.close_period(tenant=tenant, date=FIRST, now=CLOSED).invoice
    assert invoice is not None
    return invoice


def test_days_that_a_component_charges_are_left_out() -> None:
    """Though as much was used of each, so that no sum tells which days they are."""
    invoice = make_changed(1, 15, per_day=1000)
    line = line_at(invoice, 1)

    found = explain_line(invoice, line)

    assert [(day.date, day.quantity) for day in found.days] == [(FIRST, 1000)]
    assert found.charge_picos == line.exact_picos


def test_a_plan_that_changed_every_day_is_explained_at_once() -> None:
    invoice = make_changed(*range(1, 31), per_day=7)
    began = time.monotonic()

    found = explain_line(invoice, line_at(invoice, 1))

    assert [day.date.day for day in found.days] == list(range(1, 31, 2))
    assert found.quantity == found.line.quantity
    assert time.monotonic() - began < 10


def test_a_component_is_explained_down_to_its_requests() -> None:
    invoice = make_changed(1, 15, per_day=1000)
    share, tokens = InvoiceLine.objects.filter(
        invoice=invoice, kind=InvoiceLine.Kind.COMPONENT
    ).order_by("position")

    # A tenth of what the linear price charges of the first day.
    counted = explain_line(invoice, share)
    assert [(day.date, day.charge_picos) for day in counted.days] == [
        (FIRST, 3 * 10**9)
    ]
    assert counted.adds_up is True
    with pytest.raises(NotFound, match="lines of use"):
        explain_day(counted, FIRST, size=50)

    # The tokens of the other, which are charged all together.
    counted = explain_line(invoice, tokens)
    fifteenth = FIRST.replace(day=15)
    assert [(day.date, day.quantity, day.charge_picos) for day in counted.days] == [
        (fifteenth, 1000, 0)
    ]
    assert counted.adds_up is True
    day = explain_day(counted, fifteenth, size=50)
    assert (day.events_quantity, day.elsewhere_quantity) == (1000, 0)
    assert [each.quantity for each in day.events] == [1000]


def test_a_late_component_is_explained_by_what_came_late() -> None:
    invoice = make_changed(1, 15, per_day=1000)
    tenant = invoice.tenant
    use = replace(
        make_use(price=make_price(), admitted_at=STARTED, tenant=tenant),
        counts=TokenCounts(input_tokens=7),
    )
    twentieth = STARTED + 19 * ONE_DAY
    commit(
        make_epoch(started_at=STARTED, state="closed"),
        replace(use, admitted_at=twentieth),
    )
    later = services.close_period(
        tenant=tenant,
        date=dt.date(2026, 10, 1),
        now=dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
    ).invoice
    assert later is not None

    counted = explain_line(later, line_at(later, 1))

    assert counted.line.key.endswith("/late")
    assert [(day.date, day.quantity) for day in counted.days] == [(twentieth.date(), 7)]
    assert counted.adds_up is True


def test_requests_that_a_component_counts_are_no_days() -> None:
    tenant = make_tenant_of()
    per_request = ComponentWanted(
        name="Requests", meter="requests", document={"model": "flat", "flat_fee": "1"}
    )
    version = make_plan_version(currency="USD", components=[per_request])
    make_subscription(tenant=tenant, version=version, starts_on=FIRST, now=STARTED)
    make_month(tenant=tenant)
    invoice = services.close_period(tenant=tenant, date=FIRST, now=CLOSED).invoice
    assert invoice is not None
    line = InvoiceLine.objects.get(invoice=invoice, kind=InvoiceLine.Kind.COMPONENT)

    counted = explain_line(invoice, line)

    assert (counted.days, counted.adds_up) == ((), None)
    assert line.document["quantity"] == "1"
