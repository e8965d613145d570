"""The pages of margin, costs and closing show what economics says, and write by it."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.contracts import TokenCounts
from kit.money import picos_from_decimal
from metering.economics.models import CostRate
from metering.economics.selectors import margin
from metering.economics.services import work_out
from metering.ledger.locking import is_locked, lock_month
from metering.ledger.months import month_after
from metering.usage.services import roll_up
from tests.factories.accounts import make_person
from tests.factories.accounts import sign_in as show_factor
from tests.factories.billing import FIRST, make_draft
from tests.factories.economics import make_rate, make_span
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("operator_db")

MONTH = f"{FIRST:%Y-%m}"
NOON = dt.datetime(2026, 9, 10, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def member(name: str, *groups: str) -> Client:
    user = make_person(name)
    user.is_staff = True
    user.save()
    user.groups.set(Group.objects.filter(name__in=groups))
    return show_factor(Client(), User.objects.get(pk=user.pk))


@pytest.fixture
def used(operator_db: None) -> None:
    """Provide September: one tenant's use, and a replica of which an hour is idle."""
    make_rate("2.00", tokens_per_s=1000)
    make_span(model="demo-model", starts_at=NOON, until=NOON + 2 * HOUR, name="gpu-1")
    make_draft(counts=TokenCounts(output_tokens=1_000_000))
    roll_up()
    for day in range(30):
        work_out(date=FIRST + dt.timedelta(days=day), now=NOON + 60 * 24 * HOUR)


@pytest.fixture
def finance(used: None) -> Client:
    return member("pat", "Finance")


def rows_of(client: Client, address: str) -> list[list[str]]:
    answer = client.get(address)
    assert answer.status_code == 200, text(answer.content)
    return [row for rows in tables(answer.content).values() for row in rows]


@pytest.mark.parametrize("by", ["model", "tenant", "day"])
def test_margins_are_those_of_economics(finance: Client, by: str) -> None:
    found = margin(currency="USD", first=FIRST, end=month_after(FIRST)).whole
    assert found.cost_picos == picos_from_decimal("4.00")
    shown = rows_of(finance, f"/finance/margin/?month={MONTH}&by={by}")
    (whole,) = (row for row in shown if row[0] == "With idle time")
    assert whole[5].startswith("15.00")
    assert whole[6].startswith("4.00")
    assert any("Idle" in row[0] for row in shown)


def test_a_table_is_a_file_of_the_same_rows(finance: Client) -> None:
    answer = finance.get(f"/finance/margin/?month={MONTH}&file=margin")
    lines = b"".join(answer).decode().splitlines()
    assert lines[0].startswith("name,requests")
    assert len([line for line in lines if "demo-model" in line or "Idle" in line]) == 2


def test_what_nobody_entered_is_said(finance: Client) -> None:
    make_span(model="other", starts_at=NOON, until=NOON + 3 * HOUR)
    make_rate(None, starts_on=FIRST)
    for day in range(30):
        work_out(date=FIRST + dt.timedelta(days=day), now=NOON + 60 * 24 * HOUR)
    page = text(finance.get(f"/finance/margin/?month={MONTH}").content)
    assert "5 replica-hours" in page
    assert "cost unknown" in page


def test_filters_that_make_no_sense_are_refused(finance: Client) -> None:
    for query in ("by=colour", "tenant=nobody", "month=2026-13", "sort=x"):
        assert finance.get(f"/finance/margin/?{query}").status_code == 400, query


def test_a_rate_is_entered_on_the_page_of_costs(finance: Client) -> None:
    shown = rows_of(finance, f"/finance/costs/?month={MONTH}")
    assert any(row[0] == "gpu-1" and row[2] == "2:00" for row in shown)
    entered = {
        "level": "model",
        "subject": "demo-model",
        "starts_on": "2026-10-01",
        "amount": "3.50",
        "currency": "usd",
    }
    refused = finance.post("/finance/costs/", {**entered, "amount": "much"})
    assert refused.status_code == 400
    assert "is not an amount" in text(refused.content)
    refused = finance.post("/finance/costs/", {**entered, "subject": ""})
    assert "by name" in text(refused.content)
    assert CostRate.objects.count() == 1
    assert finance.post("/finance/costs/", entered).status_code == 302
    assert CostRate.objects.latest("id").picos_per_hour == picos_from_decimal("3.50")
    viewer = member("view", "Finance approvers")
    assert viewer.get("/finance/costs/").status_code == 200
    assert viewer.post("/finance/costs/", entered).status_code == 403


def test_a_month_is_signed_by_one_and_locked_by_another_who_may(
    finance: Client,
) -> None:
    address = f"/finance/close/{MONTH}/"
    assert rows_of(finance, "/finance/close/")[0]
    page = finance.get(address)
    assert "Margin" in text(page.content)
    assert "of 13 steps done" in text(page.content)
    said = finance.post(f"{address}sign/", {"step": "report"}, follow=True)
    assert "Not done yet: step" in text(said.content)
    said = finance.post(f"{address}sign/", {"step": "exceptions"}, follow=True)
    assert "Signed by pat" in text(said.content)
    assert finance.post(f"{address}sign/", {"step": "lock"}).status_code == 404
    said = finance.post(f"{address}check/", follow=True)
    assert "days worked out" in text(said.content)
    said = finance.post(f"{address}lock/", follow=True)
    assert "needs the permission" in text(said.content)
    approver = member("alex", "Finance approvers")
    assert "Not done yet" in text(approver.get(f"{address}lock/").content)
    approver.post(f"{address}lock/")
    assert not is_locked(FIRST)


def test_a_locked_month_is_reopened_for_a_reason(finance: Client) -> None:
    now = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    lock_month(month=FIRST, prepared_by_id=1, approved_by_id=2, now=now)
    approver = member("alex", "Finance approvers")
    address = f"/finance/close/{MONTH}/"
    assert "Nothing is booked in it any more" in text(approver.get(address).content)
    assert approver.post(f"{address}reopen/", {"reason": ""}).status_code == 400
    assert is_locked(FIRST)
    approver.post(f"{address}reopen/", {"reason": "A bill came late"})
    assert not is_locked(FIRST)
    assert "A bill came late" in text(approver.get(address).content)


def test_the_forecast_says_how_it_comes_about(finance: Client) -> None:
    page = text(finance.get("/finance/forecast/").content)
    assert "mean of its weekday over the last 28 booked days" in page
    assert finance.get("/finance/forecast/?file=tenants").status_code == 200


@pytest.mark.parametrize("page", ["margin/?by=tenant&", "costs/?", "forecast/?"])
def test_many_rows_cost_as_many_queries_as_few(finance: Client, page: str) -> None:
    address = f"/finance/{page}month={MONTH}"
    with CaptureQueriesContext(connections["operator"]) as few:
        assert finance.get(address).status_code == 200
    for number in range(4):
        make_draft(counts=TokenCounts(output_tokens=1_000_000))
        until = NOON + number * HOUR
        make_span(model=f"other-{number}", starts_at=NOON, until=until)
    roll_up()
    work_out(date=NOON.date(), now=NOON + 60 * 24 * HOUR)
    with CaptureQueriesContext(connections["operator"]) as many:
        assert finance.get(address).status_code == 200
    assert len(many) <= len(few)


def test_who_may_not_see_them_is_told(operator_db: None) -> None:
    support = member("sue", "Support")
    for page in ("margin/", "costs/", "forecast/", "close/", f"close/{MONTH}/"):
        assert support.get(f"/finance/{page}").status_code == 403, page


def test_a_month_that_cannot_be_is_not_there(finance: Client) -> None:
    assert finance.get("/finance/close/2026-13/").status_code == 404
