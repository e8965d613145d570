"""Cohorts by hand: who first paid when, who stayed, and the rows behind each figure."""

import csv
import datetime as dt
import io
import re
from collections import defaultdict
from html import unescape

import pytest
from django.test import Client

from metering.ledger.cohorts import Kept, cohort_tenants, cohorts
from metering.ledger.earned import revenue
from metering.ledger.models import Account, Transaction
from metering.ledger.services import Amount, Posting, post
from tests.factories.tenants import make_tenant
from tests.pages.reading import tables, text

UNIT = 10**12
JANUARY, FEBRUARY, MARCH = (dt.date(2025, month, 1) for month in (1, 2, 3))
_A, _T = Account.Kind, Transaction.Kind
SHARES = "Tenants kept, by month of first revenue"
MONTHLY = "Every month of each cohort"


def moved(
    tenant: int,
    month: dt.date,
    kind: Transaction.Kind,
    *sides: tuple[Account.Kind, int],
    currency: str = "USD",
) -> Posting:
    """Return what moves so many units on the tenth of a month."""
    at = dt.datetime(month.year, month.month, 10, tzinfo=dt.UTC)
    amounts = tuple(Amount(account, units * UNIT) for account, units in sides)
    return Posting(tenant, kind, f"{tenant} {month}", currency, at, amounts)


def used(tenant: int, month: dt.date, units: int, currency: str = "USD") -> Posting:
    """Return a month's use."""
    sides = ((_A.ACCRUED, units), (_A.REVENUE, -units))
    return moved(tenant, month, _T.USAGE, *sides, currency=currency)


@pytest.fixture
def customers(operator_db: None) -> dict[str, int]:
    """Let a few tenants pay over three months; return their ids."""
    ids = {slug: make_tenant(slug=slug).pk for slug in ("ann", "bob", "cy", "dot")}
    ids["eve"] = make_tenant(slug="eve", currency="EUR").pk
    ann, bob, cy, dot, eve = ids.values()
    noted = ((_A.REVENUE, 2), (_A.RECEIVABLE, -2))
    promised = ((_A.DISCOUNTS, 3), (_A.PROMOTIONAL, -3))
    burned = ((_A.PROMOTIONAL, 3), (_A.ACCRUED, -3))
    post(
        postings=[
            used(ann, JANUARY, 10),
            used(bob, JANUARY, 20),
            used(eve, JANUARY, 7, "EUR"),
            used(ann, FEBRUARY, 5),
            used(cy, FEBRUARY, 8),
            used(bob, MARCH, 30),
            used(cy, MARCH, 4),
            moved(ann, MARCH, _T.CREDIT_NOTE, *noted),
            # What was given away is no revenue, however much of it is used.
            used(dot, MARCH, 3),
            moved(dot, MARCH, _T.CREDIT, *promised),
            moved(dot, MARCH, _T.BURN, *burned),
        ]
    )
    return ids


def asked(finance: Client, **query: str) -> bytes:
    """Return the page as of March."""
    meant = {"month": "2025-03", "currency": "USD", **query}
    answer = finance.get("/finance/cohorts/", meant)
    assert answer.status_code == 200, text(answer.content)
    return bytes(answer.content)


def test_who_first_paid_when_and_what_is_left(customers: dict[str, int]) -> None:
    found = cohorts(first=JANUARY, last=MARCH, currency="USD")

    def kept(row: Kept) -> tuple[int, int, int]:
        return row.since, row.tenants, row.picos // UNIT

    assert {
        cohort: (rows[0].size, rows[0].first_picos // UNIT, [*map(kept, rows)])
        for cohort, rows in found.items()
    } == {
        JANUARY: (2, 30, [(0, 2, 30), (1, 1, 5), (2, 1, 28)]),
        FEBRUARY: (1, 8, [(0, 1, 8), (1, 1, 4)]),
    }
    ids = customers
    assert cohort_tenants(cohort=JANUARY, currency="USD") == {ids["ann"], ids["bob"]}
    assert cohort_tenants(cohort=JANUARY, currency="EUR") == {ids["eve"]}
    assert cohort_tenants(cohort=MARCH, currency="USD") == frozenset()
    # An older cohort is none of a later range, and its tenants join no other.
    assert set(cohorts(first=FEBRUARY, last=MARCH, currency="USD")) == {FEBRUARY}


def test_cohorts_come_to_the_revenue_of_each_month(customers: dict[str, int]) -> None:
    sums: dict[dt.date, int] = defaultdict(int)
    for rows in cohorts(first=JANUARY, last=MARCH, currency="USD").values():
        for row in rows:
            sums[row.month] += row.picos
    for month in (JANUARY, FEBRUARY, MARCH):
        earned = revenue(first=month, last=month)
        (dollars,) = (each for each in earned if each.currency == "USD")
        assert sums[month] == dollars.net_picos


def test_the_matrix_says_shares_and_each_opens_its_rows(
    finance: Client, customers: dict[str, int]
) -> None:
    page = asked(finance)
    rows = tables(page)[SHARES]
    assert rows[0][:5] == ["First revenue in", "Tenants", "+1", "+2", "+3"]
    assert [row[:5] for row in rows[1:]] == [
        ["February 2025", "1", "100.0 %", "", ""],
        ["January 2025", "2", "50.0 %", "50.0 %", ""],
    ]
    named = tables(asked(finance, by="revenue"))
    revenue_kept = named["Revenue kept, by month of first revenue"]
    assert [row[2:4] for row in revenue_kept[1:]] == [
        ["50.0 %", ""],
        ["16.7 %", "93.3 %"],
    ]
    monthly = {(row[0], row[1]): row for row in tables(page)[MONTHLY][1:]}
    links = set(re.findall(r'href="(/finance/revenue/[^"]+cohort=\S+)"', page.decode()))
    assert len(links) == len(monthly) == 5
    for link in links:
        behind = finance.get(unescape(link)).content
        (listed,) = tables(behind).values()
        month, cohort = re.findall(r"\d{4}-\d{2}", link)
        row = monthly[_said(cohort), _said(month)]
        # The total's net, and how many brought in more than nothing.
        assert listed[-1][-2] == row[7]
        assert f"Tenants kept {row[4]} " in text(behind)
        assert {each[0] for each in listed[1:-1]} <= {"ann", "bob", "cy"}


def _said(month: str) -> str:
    return f"{dt.date.fromisoformat(f'{month}-01'):%B %Y}"


def test_the_files_hold_what_the_tables_do(
    finance: Client, customers: dict[str, int]
) -> None:
    def filed(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(asked(finance, file=name).decode())))

    assert [(row["cohort"], row["after-1"]) for row in filed("cohorts")] == [
        ("2025-02", "100.0"),
        ("2025-01", "50.0"),
    ]
    found = [tuple(row.values()) for row in filed("months")]
    assert found[-1] == (
        *("2025-01", "2025-03", "2", "2", "1", "50.0"),
        *("30.00", "28.00", "93.3", "USD"),
    )
    assert len(found) == 5


def test_what_is_left_at_a_glance_is_of_the_cohorts_that_are_as_old(
    finance: Client, customers: dict[str, int]
) -> None:
    page = asked(finance)

    # One of two and one of one.
    assert "Kept after 1 month 66.7 % 2 of 3 tenants" in text(page)
    assert "Kept after 3 months not yet no cohort is that old" in text(page)
    assert "New tenants 0" in text(page)
    # Of the first revenue of both, 38, 9 a month later; of the older one 28 of 30.
    for by, shares in (("Tenants", "100 67 50"), ("Revenue", "100 24 93")):
        title = f"{by} kept of all these cohorts, by months since the first"
        twin = tables(asked(finance, by=by.lower()))[title]
        assert [row[1] for row in twin[1:]] == shares.split()


def test_without_first_revenue_the_page_says_why(
    finance: Client, customers: dict[str, int]
) -> None:
    page = asked(finance, month="2024-06")

    assert "Nobody's first revenue is in these months" in text(page)
    assert not tables(page)
