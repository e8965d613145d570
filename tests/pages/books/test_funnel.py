"""A month's use is followed to cash: each step plus the gap below it is the next."""

import datetime as dt
import zoneinfo

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from metering.billing.marks import charged_picos
from metering.billing.models import Invoice
from metering.billing.services import close_period, issue_invoice
from metering.ledger.earned import Part, revenue
from metering.ledger.locking import lock_month
from metering.ledger.services import post_days
from metering.receivables.funnel import Funnel, Why, use_to_cash
from metering.usage.services import roll_up
from pages.finance.funnel import steps_of
from tests.factories.billing import FIRST
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.books.world import DAY, OCTOBER, SEPTEMBER, STARTED, Books
from tests.pages.reading import text

TODAY = dt.datetime(2026, 10, 20, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
LATER = STARTED + 70 * DAY


def followed(month: dt.date = SEPTEMBER, today: dt.datetime = TODAY) -> Funnel:
    found = use_to_cash(month=month, currency="USD", now=today)
    _require_steps_to_add_up(found)
    return found


def _require_steps_to_add_up(found: Funnel) -> None:
    reached = 0
    for step in steps_of(found):
        if step.is_gap:
            reached += step.picos
        else:
            assert step.picos == reached or step.name == "Metered", step.name
            reached = step.picos


def use_on(books: Books, at: dt.datetime) -> int:
    """Commit one more request of the postpaid tenant, and return what it costs."""
    price = make_price(currency="USD", model="more")
    use = make_use(price=price, admitted_at=at, tenant=books.postpaid)
    epoch = make_epoch(started_at=STARTED, state="closed")
    return commit(epoch, use)[0].charge_picos


def why(found: Funnel) -> dict[tuple[str, Why], int]:
    return {(row.tenant, row.why): row.picos for row in found.uninvoiced}


def test_use_in_the_books_is_revenue_from_use(books: Books) -> None:
    for month in (SEPTEMBER, OCTOBER):
        (earned,) = revenue(first=month, last=month)
        assert followed(month).posted_picos == earned.parts[Part.USE]


def test_what_is_on_invoices_is_what_they_charge(books: Books) -> None:
    found = followed()

    assert found.on_invoices_picos == charged_picos(books.invoice)
    bill = found.invoiced
    assert (bill.invoices, bill.subtotal_minor) == (1, books.invoice.subtotal_minor)
    assert (bill.paid_minor, bill.credited_minor) == (100, 50)
    assert bill.open_minor == books.invoice.amount_minor - 150
    # The one who pays ahead was not billed yet, though the period is over.
    assert list(why(found)) == [("ahead", Why.CLOSING)]


def test_a_month_that_runs_waits_for_its_periods(books: Books) -> None:
    found = followed(OCTOBER)

    assert found.on_invoices_picos == 0
    assert set(why(found)) == {("ahead", Why.RUNNING), ("after", Why.RUNNING)}


def test_a_draft_is_no_invoice(books: Books) -> None:
    closed = close_period(tenant=books.prepaid, date=FIRST, now=STARTED + 33 * DAY)
    assert closed.invoice is not None
    draft = closed.invoice

    assert why(followed()) == {("ahead", Why.DRAFT): charged_picos(draft)}
    issue_invoice(invoice=draft, now=STARTED + 33 * DAY)

    found = followed()
    assert not found.uninvoiced
    assert found.on_invoices_picos == sum(
        charged_picos(invoice) for invoice in Invoice.objects.all()
    )
    # All of it was paid from credit.
    assert found.invoiced.from_credit_minor == draft.subtotal_minor


def test_late_use_is_named_at_each_step_until_it_is_invoiced(books: Books) -> None:
    before = followed()
    late = use_on(books, STARTED + 12 * DAY)

    found = followed()
    assert (found.unrated_events, found.unrated_picos) == (1, late)
    roll_up()
    found = followed()
    assert found.unrated_picos == 0
    assert [(row.tenant, row.picos) for row in found.unposted] == [("after", late)]
    post_days(now=LATER)
    found = followed()
    assert not found.unposted
    assert why(found)["after", Why.LATE] == late
    assert found.on_invoices_picos == before.on_invoices_picos
    closed = close_period(tenant=books.postpaid, date=OCTOBER, now=LATER)
    assert closed.invoice is not None
    issue_invoice(invoice=closed.invoice, now=LATER)
    found = followed()
    assert found.on_invoices_picos == before.on_invoices_picos + late


def test_late_use_of_a_locked_month_is_of_the_month_that_is_open(books: Books) -> None:
    before = followed()
    prepares, approves = (
        get_user_model().objects.create(username=name).pk for name in ("ada", "bob")
    )
    lock_month(
        month=SEPTEMBER,
        prepared_by_id=prepares,
        approved_by_id=approves,
        now=STARTED + 40 * DAY,
    )
    late = use_on(books, STARTED + 12 * DAY)
    post_days(now=STARTED + 58 * DAY)

    assert followed() == before
    found = followed(OCTOBER)
    (earned,) = revenue(first=OCTOBER, last=OCTOBER)
    assert found.posted_picos == earned.parts[Part.USE]
    assert sum(row.picos for row in found.uninvoiced) == found.posted_picos > late
    closed = close_period(tenant=books.postpaid, date=OCTOBER, now=LATER)
    assert closed.invoice is not None
    issued = issue_invoice(invoice=closed.invoice, now=LATER)
    assert followed(OCTOBER).on_invoices_picos == charged_picos(issued)
    assert followed().on_invoices_picos == before.on_invoices_picos


def test_overdue_and_open_are_told_apart(books: Books) -> None:
    due = books.invoice.due_date
    assert due is not None

    zone = zoneinfo.ZoneInfo(books.postpaid.zone)
    ends = dt.datetime.combine(due + DAY, dt.time(), tzinfo=zone)
    assert followed(today=ends - SECOND).invoiced.overdue_minor == 0
    late = followed(today=ends).invoiced
    assert late.overdue_minor == late.open_minor > 0


@pytest.mark.parametrize("month", ["2026-09", "2026-10"])
def test_the_page_and_the_overview_say_the_same(
    finance: Client, books: Books, month: str
) -> None:
    page = finance.get("/finance/funnel/", {"month": month}).content
    overview = text(finance.get("/finance/", {"month": month}).content)

    for label in ("Metered", "In the books", "On invoices", "Charged"):
        figure = text(page).split(f"{label} ", 1)[1].split(" ", 1)[0]
        assert f"{label} {figure}" in overview


def test_its_gaps_are_files(finance: Client, books: Books) -> None:
    for name in ("steps", "not-in-the-books", "not-invoiced"):
        answer = finance.get("/finance/funnel/", {"month": "2026-09", "file": name})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/csv")
