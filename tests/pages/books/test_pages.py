"""The pages of the books show the ledger's figures, and the same on each of them."""

import csv
import datetime as dt
import io

import pytest
from django.conf import settings
from django.test import Client

from kit.money import format_minor, format_picos, picos_from_minor
from metering.ledger.credit_months import roll_forward
from metering.ledger.earned import (
    Part,
    revenue,
    revenue_by_tenant,
    use_by_model,
)
from metering.ledger.locking import lock_month
from metering.ledger.models import Account
from metering.ledger.months import last_day, trial_balance
from metering.ledger.selectors import balances
from metering.receivables.ageing import open_invoices
from metering.receivables.monthly import open_then
from metering.receivables.services import record_payment
from metering.usage.models import BillingDay
from pages.figures import rounded
from pages.finance.sections import SEE_LEDGER, SEE_MARGIN
from tenants.models import Tenant
from tests.factories.receivables import make_invoice
from tests.factories.tenants import make_tenant
from tests.pages.books.world import OCTOBER, SEPTEMBER, Books
from tests.pages.conftest import SignIn
from tests.pages.reading import tables, text

PAGES = (
    "funnel/",
    "",
    "revenue/",
    "receivables/",
    "credit/",
    "reports/2026-09/",
    "reports/2026-10/",
    "cohorts/",
    "waterfall/",
    "journal/",
)


def shown(finance: Client, page: str, **query: str) -> dict[str, list[list[str]]]:
    """Return the tables of a page."""
    answer = finance.get(f"/finance/{page}", query)
    assert answer.status_code == 200, text(answer.content)
    return tables(answer.content)


def plain(picos: int) -> str:
    """Return an amount as a reader compares it: no padding."""
    return trimmed(format_picos(picos))


def trimmed(figure: str) -> str:
    """Return a figure of a table without zeros at its end."""
    return figure.rstrip("0") if "." in figure else figure


def filed(finance: Client, page: str, **query: str) -> list[dict[str, str]]:
    """Return the rows of a table's file."""
    answer = finance.get(f"/finance/{page}", query)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


@pytest.mark.parametrize("by", ["month", "tenant", "model"])
def test_revenue_is_the_same_however_it_is_divided(
    finance: Client, books: Books, by: str
) -> None:
    found = shown(finance, "revenue/", month="2026-09", by=by)

    rows = list(found.values())[-1]
    total = dict(zip(rows[0], rows[-1], strict=True))
    (earned,) = revenue(first=SEPTEMBER, last=SEPTEMBER)
    assert trimmed(total["Use"]) == plain(earned.parts[Part.USE])
    if by != "model":
        assert trimmed(total["Net"]) == plain(earned.net_picos)


def test_use_of_the_last_evening_is_of_the_month_where_the_tenant_is(
    finance: Client, books: Books
) -> None:
    rows = filed(finance, "revenue/", month="2026-09", by="tenant", file="revenue")

    use = {row["name"]: row["use"] for row in rows}
    assert float(use["after"]) == 2 * float(use["ahead"])
    models = use_by_model(first=OCTOBER, last=OCTOBER)
    assert [sum(row.tokens.values()) // 1_234_567 for row in models] == [1, 2]


def test_the_report_says_what_the_other_pages_say(
    finance: Client, books: Books
) -> None:
    for month in (SEPTEMBER, OCTOBER):
        name = f"{month:%Y-%m}"
        report = shown(finance, f"reports/{name}/")
        revenue_rows = shown(finance, "revenue/", month=name, by="tenant")["By tenant"]
        credit = shown(finance, "credit/", month=name)["Credit rolled forward"]

        assert {row[1] for row in report["What ties out"][1:]} == {"equal"}
        assert report["Credit rolled forward"] == credit
        assert trimmed(report["Revenue"][-1][1]) == trimmed(revenue_rows[-1][-2])


def test_balances_are_those_of_the_ledger_at_the_months_end(
    finance: Client, books: Books
) -> None:
    rows = filed(finance, "reports/2026-10/", file="trial-balance")

    closing = {row["account"]: row["closing"] for row in rows}
    at = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    sums: dict[str, int] = {}
    for tenant in (books.postpaid, books.prepaid):
        for (kind, _), money in balances(tenant_id=tenant.pk, at=at).items():
            label = str(Account.Kind(kind).label)
            name = label[0].upper() + label[1:]
            sums[name] = sums.get(name, 0) + money.picos
    assert {name: plain(picos).replace(",", "") for name, picos in sums.items()} == {
        name: trimmed(figure) for name, figure in closing.items()
    }


def test_credit_rolls_forward_from_month_to_month(
    finance: Client, books: Books
) -> None:
    september = filed(finance, "credit/", month="2026-09", file="credit")
    october = filed(finance, "credit/", month="2026-10", file="credit")

    assert [row["closing"] for row in september] == [row["opening"] for row in october]
    (owed, promised) = september
    assert (owed["sold"], owed["given"], promised["given"]) == ("5.00", "0.10", "1.00")
    used = [row.used_picos for row in roll_forward(month=OCTOBER)]
    assert sum(used) < 0


def test_receivables_are_open_invoices_and_the_ledgers(
    finance: Client, books: Books
) -> None:
    page = finance.get("/finance/receivables/")
    found = tables(page.content)

    left = books.invoice.amount_minor - 150
    assert "equals the ledger" in text(page.content)
    assert [row[1] for row in found["Open invoices"][1:]] == ["after"]
    assert found["By tenant and age"][-1][0] == "Total"
    total = dict(zip(*(found["By tenant and age"][i] for i in (0, -1)), strict=True))
    assert (
        picos_from_minor(left, "USD")
        == int(total["Open"].replace(".", "").replace(",", "")) * 10**10
    )


def test_what_was_open_at_a_months_end_is_the_receivable_of_then(books: Books) -> None:
    for month in (SEPTEMBER, OCTOBER):
        found = open_then(last=last_day(month), currency="USD")
        owed = sum(picos_from_minor(row.open_minor, "USD") for row in found)
        (booked,) = (
            row.closing_picos
            for row in trial_balance(month=OCTOBER)
            if row.account == Account.Kind.RECEIVABLE
        )
        assert owed == (booked if month == OCTOBER else 0)
    now = open_invoices(now=dt.datetime(2026, 11, 1, tzinfo=dt.UTC), currency="USD")
    assert [row.open_minor for row in now] == [books.invoice.amount_minor - 150]


def test_a_payment_after_the_month_is_still_open_in_its_report(books: Books) -> None:
    (then,) = open_then(last=dt.date(2026, 10, 4), currency="USD")

    assert then.open_minor == books.invoice.amount_minor


def test_what_was_booked_in_a_month_stays_there_when_a_zone_changes(
    operator_db: None,
) -> None:
    """In New York it was still October, and in UTC it was not."""
    tenant = make_tenant(currency="EUR", zone="America/New_York")
    invoice = make_invoice(tenant=tenant)
    days = BillingDay.objects.filter(tenant_id=tenant.pk)
    at = dt.datetime(2026, 11, 1, 2, tzinfo=dt.UTC)
    assert not days.filter(starts_at__lte=at, ends_at__gt=at).exists()
    record_payment(
        invoice=invoice,
        now=at,
        amount_minor=invoice.amount_minor,
        reference="all of it",
        received_at=at,
    )
    Tenant.objects.filter(pk=tenant.pk).update(zone="UTC")

    (booked,) = (
        row.closing_picos
        for row in trial_balance(month=OCTOBER)
        if row.account == Account.Kind.RECEIVABLE
    )
    assert booked == 0
    assert open_then(last=last_day(OCTOBER), currency="EUR") == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_empty_books_say_why(finance: Client, page: str) -> None:
    answer = finance.get(f"/finance/{page}")

    assert answer.status_code == 200
    assert "Nothing is booked yet" in text(answer.content)
    assert not tables(answer.content)


@pytest.mark.parametrize(
    ("page", "query", "reason"),
    [
        ("revenue/", {"month": "2026-13"}, "A month is written like 2026-11"),
        ("revenue/", {"by": "colour"}, "'by' is one of month, tenant, model"),
        ("revenue/", {"cohort": "2026-09"}, "'cohort' goes with 'by=tenant'"),
        ("cohorts/", {"by": "colour"}, "'by' is one of tenants, revenue"),
        ("credit/", {"currency": "CHF"}, "Nothing is booked in this currency"),
        ("receivables/", {"currency": "EUR"}, "Nothing is booked in this currency"),
        ("revenue/", {"sort": "colour"}, "is no column to sort by"),
    ],
)
def test_an_address_that_makes_no_sense_is_400(
    finance: Client, books: Books, page: str, query: dict[str, str], reason: str
) -> None:
    answer = finance.get(f"/finance/{page}", query)

    assert answer.status_code == 400
    assert reason in text(answer.content)


@pytest.mark.parametrize("page", ["reports/2026-00/", "reports/1999-01/"])
def test_a_month_that_cannot_be_is_404(finance: Client, page: str) -> None:
    assert finance.get(f"/finance/{page}").status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_without_the_right_to_the_ledger_it_is_403(sign_in: object, page: str) -> None:
    client = sign_in("usage.view_dayrollup", "billing.view_invoice")  # type: ignore[operator]

    assert client.get(f"/finance/{page}").status_code == 403


def test_the_overview_says_what_the_pages_say(finance: Client, books: Books) -> None:
    overview = text(finance.get("/finance/", {"month": "2026-10"}).content)
    (earned,) = revenue(first=OCTOBER, last=OCTOBER)
    (owed, _) = roll_forward(month=OCTOBER)

    for picos in (earned.net_picos, owed.closing_picos):
        assert rounded(picos, "USD").shown in overview
    left = books.invoice.amount_minor - 150
    assert f"Receivables {format_minor(left, 'USD')}" in overview


@pytest.mark.parametrize("rights", [SEE_LEDGER, SEE_MARGIN])
def test_margin_is_shown_to_those_who_may_see_it(
    sign_in: SignIn, books: Books, rights: tuple[str, ...]
) -> None:
    page = sign_in(*rights).get("/finance/").content

    assert (b"Gross margin" in page) == (rights == SEE_MARGIN)


def test_use_is_what_the_api_answers_for_the_same_days(books: Books) -> None:
    token = {"Authorization": f"Bearer {settings.OPERATOR_TOKEN}"}
    by_tenant = {
        row.key: row.parts[Part.USE]
        for row in revenue_by_tenant(first=SEPTEMBER, last=SEPTEMBER)
    }

    for tenant in (books.postpaid, books.prepaid):
        query = {"start": "2026-09-01", "end": "2026-10-01", "tenant": tenant.slug}
        answer = Client().get("/api/v1/usage/", query, headers=token).json()
        assert int(answer["total"]["charge_picos"]) == by_tenant[tenant.pk]


def test_the_report_says_whether_it_is_final(finance: Client, books: Books) -> None:
    assert "Not locked" in text(finance.get("/finance/reports/2026-09/").content)
    lock_month(
        month=SEPTEMBER,
        prepared_by_id=1,
        approved_by_id=2,
        now=dt.datetime(2026, 10, 9, 8, 30, tzinfo=dt.UTC),
    )

    words = text(finance.get("/finance/reports/2026-09/").content)

    assert "Final: the month was locked at 2026-10-09 08:30 UTC" in words


def test_an_old_link_to_usage_leads_on_with_its_query(finance: Client) -> None:
    answer = finance.get("/finance/?range=7d&by=tenant")

    assert answer.status_code == 302
    assert answer["Location"] == "/finance/usage/?range=7d&by=tenant"
