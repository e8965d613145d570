"""Closing: once, in order, everything posted in one invoice or in none."""

import datetime as dt
import threading
from dataclasses import replace

import pytest
from django.db import connections

from kit.contracts import TokenCounts
from kit.errors import Conflict, NotFound
from kit.orm.roles import as_operator
from metering.billing.closing import Closed
from metering.billing.composing.bill import Bill
from metering.billing.gathering import gather
from metering.billing.marks import Mark, charged_by
from metering.billing.models import Invoice, InvoiceLine, Period
from metering.billing.rebuilding import rebuilt_lines
from metering.billing.selectors import document
from metering.billing.services import (
    close_due_periods,
    close_period,
    close_periods_through,
)
from metering.ledger.models import DayPosting
from metering.ledger.services import DAY_GRACE, post_days
from metering.usage.models import Epoch, Event
from tenants.models import Tenant
from tests.factories.billing import (
    CLOSED,
    FIRST,
    STARTED,
    make_draft,
    make_month,
    make_tenant_of,
)
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, undoing

END = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
NEXT = dt.date(2026, 10, 1)
NEXT_CLOSED = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)


def close(use: Use, date: dt.date = FIRST, now: dt.datetime = CLOSED) -> Closed:
    tenant = Tenant.objects.get(pk=use.tenant_id)
    return close_period(tenant=tenant, date=date, now=now)


def lines_of(closed: Closed) -> list[tuple[str, str, int]]:
    assert closed.invoice is not None
    return [
        (line.kind, line.description, line.quantity)
        for line in closed.invoice.lines.order_by("position")
    ]


def commit_more(*uses: Use) -> list[Event]:
    return commit(make_epoch(started_at=STARTED, state="closed"), *uses)


def test_month_becomes_a_draft(operator_db: None) -> None:
    closed = close(make_month())
    invoice = closed.invoice
    assert invoice is not None
    assert (invoice.state, invoice.number) == (Invoice.State.DRAFT, None)
    assert lines_of(closed) == [
        ("usage", "demo-model, input tokens", 100),
        ("usage", "demo-model, cached input tokens", 20),
        ("usage", "demo-model, output tokens", 50),
    ]
    assert invoice.exact_picos == 100 * 3_000_000 + 20 * 300_000 + 50 * 15_000_000
    assert invoice.amount_minor == 0
    assert closed.period.starts_at == STARTED
    assert closed.period.ends_at == END


def test_closing_twice_is_closing_once(operator_db: None) -> None:
    use = make_month()
    assert close(use) == close(use)
    assert Invoice.objects.filter(tenant_id=use.tenant_id).count() == 1
    assert InvoiceLine.objects.filter(tenant_id=use.tenant_id).count() == 3


def test_period_waits_for_its_grace(operator_db: None) -> None:
    use = make_month()
    with pytest.raises(Conflict, match="can be closed from 2026-10-01 01:02:00 UTC"):
        close(use, now=END + DAY_GRACE - SECOND)
    assert close(use, now=END + DAY_GRACE).invoice is not None


def test_period_waits_for_an_open_request(operator_db: None) -> None:
    use = make_month()
    now = END + DAY_GRACE
    epoch = make_epoch(started_at=STARTED, heartbeat_at=now)
    Epoch.objects.filter(pk=epoch.pk).update(open_since=END - SECOND)
    with pytest.raises(Conflict, match="proven complete"):
        close(use, now=now)
    assert not Period.objects.filter(state=Period.State.CLOSED).exists()


def test_periods_are_closed_in_order(operator_db: None) -> None:
    use = make_month()
    with pytest.raises(Conflict, match="began on 2026-09-01 first"):
        close(use, date=NEXT, now=NEXT_CLOSED)


def test_period_without_use_closes_without_an_invoice(operator_db: None) -> None:
    tenant = make_tenant_of()
    closed = close_period(tenant=tenant, date=FIRST, now=CLOSED)
    assert (closed.period.state, closed.invoice) == (Period.State.CLOSED, None)


def test_month_before_the_tenant_has_no_period(operator_db: None) -> None:
    with pytest.raises(NotFound, match="no billing days in the period of 2026-08"):
        close_period(tenant=make_tenant_of(), date=dt.date(2026, 8, 1), now=CLOSED)


def test_late_use_is_the_next_periods_named_adjustment(operator_db: None) -> None:
    use = make_month()
    first = close(use)
    late = TokenCounts(output_tokens=7)
    this_month = replace(use, admitted_at=END, counts=TokenCounts(output_tokens=2))
    commit_more(replace(use, counts=late), this_month)

    assert close(use) == first
    assert lines_of(close(use, NEXT, NEXT_CLOSED)) == [
        ("usage", "demo-model, output tokens", 2),
        ("adjustment", "demo-model, output tokens, adjustment of 2026-09", 7),
    ]


def test_negative_total_is_carried_into_the_next_invoice(operator_db: None) -> None:
    use = make_month(counts=TokenCounts(input_tokens=10**6, output_tokens=10**6))
    close(use)
    event = Event.objects.get(tenant_id=use.tenant_id)
    commit_more(undoing(event, use))

    second = close(use, NEXT, NEXT_CLOSED)
    assert second.invoice is None

    big = TokenCounts(input_tokens=3 * 10**6, output_tokens=10**6)
    commit_more(replace(use, admitted_at=NEXT_CLOSED, counts=big))
    third = close(use, dt.date(2026, 11, 1), dt.datetime(2026, 12, 2, tzinfo=dt.UTC))
    assert lines_of(third) == [
        ("usage", "demo-model, input tokens", 3 * 10**6),
        ("usage", "demo-model, output tokens", 10**6),
        ("adjustment", "demo-model, input tokens, adjustment of 2026-09", -(10**6)),
        ("adjustment", "demo-model, output tokens, adjustment of 2026-09", -(10**6)),
    ]
    assert third.invoice is not None
    assert third.invoice.amount_minor == 600


def test_every_posting_is_charged_once(operator_db: None) -> None:
    use = make_month()
    commit_more(use, replace(use, admitted_at=use.admitted_at + DAY))
    first = close(use)
    # Of the month that is closed, and of the next before and after its first post.
    post_days(now=NEXT_CLOSED)
    commit_more(use, replace(use, admitted_at=END), replace(use, admitted_at=END + DAY))
    second = close(use, NEXT, NEXT_CLOSED)

    assert first.invoice is not None
    assert second.invoice is not None
    charged = [*charged_by(first.invoice), *charged_by(second.invoice)]
    postings = DayPosting.objects.filter(tenant_id=use.tenant_id)
    assert len(charged) == len(set(charged)) == postings.count() == 15
    assert (second.invoice.days_from, second.invoice.posted_from) == (
        first.invoice.days_to,
        first.invoice.posted_to,
    )


def test_days_of_the_next_month_wait_for_it(operator_db: None) -> None:
    """They may be in the ledger already when a month is closed late."""
    use = make_month()
    commit_more(replace(use, admitted_at=END, counts=TokenCounts(output_tokens=9)))
    first = close(use, now=NEXT_CLOSED)
    assert lines_of(first)[-1] == ("usage", "demo-model, output tokens", 50)
    assert lines_of(close(use, NEXT, NEXT_CLOSED)) == [
        ("usage", "demo-model, output tokens", 9)
    ]


def test_lines_can_be_made_again_from_what_they_claim(operator_db: None) -> None:
    invoice = make_draft(counts=TokenCounts(input_tokens=12345, output_tokens=678))
    again = rebuilt_lines(invoice)
    assert again.sha256 == invoice.lines_sha256
    assert again.exact_picos == invoice.exact_picos


def test_periods_follow_the_tenants_own_days(operator_db: None) -> None:
    tenant = make_tenant_of(zone="Asia/Tokyo")
    use = make_month(tenant=tenant)
    midnight = dt.datetime(2026, 9, 30, 15, tzinfo=dt.UTC)
    one = replace(use, counts=TokenCounts(output_tokens=1))
    commit_more(replace(one, admitted_at=midnight))

    first = close(use, now=midnight + DAY_GRACE)

    assert (first.period.starts_at, first.period.ends_at) == (
        dt.datetime(2026, 8, 31, 15, tzinfo=dt.UTC),
        midnight,
    )
    assert lines_of(first)[-1] == ("usage", "demo-model, output tokens", 50)


def test_a_period_may_begin_on_any_day_of_the_month(operator_db: None) -> None:
    """The use of its first and last second is its own, of the one after is not."""
    tenant = make_tenant_of(period_day=15)
    use = make_month(tenant=tenant, counts=TokenCounts(output_tokens=50))
    middle = dt.datetime(2026, 9, 15, tzinfo=dt.UTC)
    one = replace(use, counts=TokenCounts(output_tokens=1))
    commit_more(replace(one, admitted_at=middle - SECOND))
    commit_more(replace(one, admitted_at=middle))

    first = close(use, now=middle + DAY_GRACE)

    assert first.period.first_date == dt.date(2026, 8, 15)
    assert (first.period.end_date, first.period.ends_at) == (middle.date(), middle)
    assert lines_of(first) == [("usage", "demo-model, output tokens", 51)]
    with pytest.raises(Conflict, match="2026-09-15 to 2026-10-14 of tenant"):
        close(use, middle.date(), now=CLOSED)


@pytest.mark.parametrize(("currency", "charged"), [("JPY", 750), ("KWD", 750_000)])
def test_invoice_is_in_the_tenants_minor_unit(
    operator_db: None, currency: str, charged: int
) -> None:
    tenant = make_tenant_of(currency=currency)
    invoice = make_draft(tenant=tenant, counts=TokenCounts(output_tokens=50_000_000))
    assert invoice.amount_minor == charged
    assert document(invoice).charged.endswith(currency)


def test_use_in_another_currency_stops_the_close(operator_db: None) -> None:
    use = make_month()
    commit_more(replace(use, price=make_price(currency="EUR")))
    with pytest.raises(Conflict, match="priced in EUR"):
        close(use)


def test_due_periods_of_all_tenants_are_closed(operator_db: None) -> None:
    stuck, fine = make_month(), make_month()
    commit_more(replace(stuck, price=make_price(currency="EUR")))

    closed = close_due_periods(now=NEXT_CLOSED)

    mine = [each for each in closed if each.period.tenant_id == fine.tenant_id]
    assert [each.period.first_date for each in mine] == [FIRST, NEXT]
    assert not [each for each in closed if each.period.tenant_id == stuck.tenant_id]
    assert close_due_periods(now=NEXT_CLOSED) == []


def test_a_bug_met_by_one_tenant_holds_up_no_other(
    operator_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, fine = make_month(), make_month()

    def broken(*, tenant: Tenant, mark: Mark, first_date: dt.date) -> Bill:
        if tenant.pk == stuck.tenant_id:
            raise RuntimeError("a bug")
        return gather(tenant=tenant, mark=mark, first_date=first_date)

    monkeypatch.setattr("metering.billing.closing.gather", broken)
    closed = close_due_periods(now=NEXT_CLOSED)
    assert {each.period.tenant_id for each in closed} == {fine.tenant_id}


def test_closing_through_a_month_closes_those_before(operator_db: None) -> None:
    tenant = make_tenant_of()
    closed = close_periods_through(tenant=tenant, date=NEXT, now=NEXT_CLOSED)
    assert [each.period.first_date for each in closed] == [FIRST, NEXT]


def test_closing_at_once_makes_one_invoice(fresh_database: object) -> None:
    with as_operator():
        use = make_month()
    start = threading.Barrier(4)
    found: list[Closed] = []

    def run() -> None:
        with as_operator():
            start.wait()
            found.append(close(use))
            connections.close_all()

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    with as_operator():
        assert Invoice.objects.count() == 1
        assert InvoiceLine.objects.count() == 3
    assert len({each.invoice.pk for each in found if each.invoice}) == 1
    assert len(found) == 4
