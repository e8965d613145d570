"""The finance page shows the numbers of the API, exactly, and says of what they are."""

import csv
import datetime as dt
import hashlib
import io
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from kit.contracts import TokenCounts
from metering.billing.services import issue_invoice
from metering.usage.selectors import database_now
from metering.usage.services import cover, roll_up
from pages.finance import form
from tenants.models import Tenant
from tests.factories.billing import CLOSED, make_draft
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.reading import Rows, tables, text

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RANGE = {"from": "2026-11-09", "to": "2026-11-12"}
SAME_RANGE = {"start": "2026-11-09", "end": "2026-11-13"}
COUNTS = TokenCounts(
    input_tokens=1_234_567,
    cached_input_tokens=89,
    output_tokens=4321,
    reasoning_tokens=21,
)


def used(
    tenant: Tenant, *, model: str = "demo-model", days: int = 1, rolled: bool = True
) -> None:
    """Commit a request of the tenant on each of some days."""
    cover(tenant=tenant, earliest=NOON - DAY, latest=NOON + 9 * DAY)
    price = make_price(currency=tenant.currency, model=model)
    use = replace(make_use(price=price, admitted_at=NOON, tenant=tenant), counts=COUNTS)
    epoch = make_epoch(started_at=NOON, heartbeat_at=database_now())
    for day in range(days):
        commit(epoch, replace(use, admitted_at=NOON + day * DAY))
    if rolled:
        roll_up()


def shown(finance: Client, **query: str) -> bytes:
    """Return the page."""
    response = finance.get("/finance/usage/", {**RANGE, **query})
    assert response.status_code == 200
    return response.content


def filed(finance: Client, **query: str) -> list[dict[str, str]]:
    """Return the rows of the table's file, which ends with their count and digest."""
    answer = finance.get("/finance/usage/", {**RANGE, **query, "file": "usage"})
    assert answer.status_code == 200
    body = answer.getvalue()
    whole, _, last = body.rstrip(b"\r\n").rpartition(b"\n")
    whole += b"\n"
    rows = list(csv.DictReader(io.StringIO(whole.decode())))
    digest = hashlib.sha256(whole).hexdigest()
    assert last.decode() == f"# {len(rows)} rows, sha-256 {digest}"
    return rows


def answered(**query: str | int) -> Any:
    """Return what the API says of the same range."""
    token = {"Authorization": f"Bearer {settings.OPERATOR_TOKEN}"}
    return Client().get("/api/v1/usage/", {**SAME_RANGE, **query}, headers=token).json()


def figures(rows: Rows) -> list[tuple[str, ...]]:
    """Return what rows of the page say, in the words of the API."""
    return sorted(
        (name, spend.rstrip("0"), currency, *counts)
        for name, spend, currency, *counts in rows
    )


def expected(answer: Any, key: str) -> list[tuple[str, ...]]:
    """Return what the page must say of the API's rows."""
    return sorted((label(row, key), *measured(row)) for row in answer["data"])


def label(row: Any, key: str) -> str:
    """Return how the page names a group, and whose it is."""
    owners = {"project": ("tenant",), "key": ("tenant", "project")}.get(key, ())
    within = " / ".join(row[owner] for owner in owners)
    return f"{row[key]} {within}".strip()


def measured(row: Any) -> tuple[str, ...]:
    """Return a row's figures as the page writes them."""
    names = ("requests", "input_tokens", "cached_input_tokens", "output_tokens")
    return (
        row["charge"].rstrip("0"),
        row["currency"],
        *(f"{row[name]:,}" for name in names),
    )


@pytest.mark.parametrize("rolled", [True, False])
@pytest.mark.parametrize(
    ("by", "heading", "group_by"),
    [
        ("model", "By model", "model"),
        ("tenant", "By tenant", "tenant"),
        ("project", "By project", "tenant,project"),
        ("key", "By API key", "tenant,project,key"),
    ],
)
def test_the_table_and_its_totals_are_those_of_the_api(
    finance: Client, by: str, heading: str, group_by: str, rolled: bool
) -> None:
    acme, kiosk = make_tenant(), make_tenant(currency="EUR")
    used(acme, model="one", days=3, rolled=rolled)
    used(acme, model="two", rolled=rolled)
    used(kiosk, model="one", days=2, rolled=rolled)

    rows = tables(shown(finance, by=by))[heading][1:]
    answer = answered(group_by=group_by)

    totals = [row for row in rows if row[0].startswith("Total")]
    assert figures(rows[: -len(totals)]) == expected(answer, by)
    assert figures(totals) == sorted(
        (f"Total {total['currency']}", *measured(total)) for total in answer["totals"]
    )
    assert [total[0] for total in totals] == ["Total EUR", "Total USD"]


def test_what_costs_most_stands_first(finance: Client) -> None:
    acme = make_tenant()
    used(acme, model="a-little")
    used(acme, model="most", days=3)

    found = tables(shown(finance))

    assert [row[0] for row in found["By model"][1:3]] == ["most", "a-little"]


def test_a_row_leads_to_the_page_of_it_alone(finance: Client) -> None:
    used(make_tenant(slug="acme"), model="one")

    assert "&amp;model=one&quot;" in _quoted(shown(finance))
    assert "&amp;tenant=acme&amp;by=tenant&quot;" in _quoted(
        shown(finance, by="tenant")
    )
    assert "&amp;model=one&quot;" not in _quoted(shown(finance, by="project"))


def _quoted(page: bytes) -> str:
    return page.decode().replace('"', "&quot;")


def test_the_table_is_paged_and_its_file_is_whole(finance: Client) -> None:
    acme = make_tenant()
    for number in range(51):
        used(acme, model=f"model-{number:02d}", rolled=False)
    roll_up()

    page = tables(shown(finance))["By model"]
    last = tables(shown(finance, page="2", sort="model"))["By model"]
    rows = filed(finance)

    assert len(page) == 1 + 50 + 1
    assert [row[0] for row in last[1:]] == ["model-50", "Total USD"]
    assert {row["model"] for row in rows} == {f"model-{n:02d}" for n in range(51)}
    assert {(row["spend"], row["requests"]) for row in rows} == {("3.7685427", "1")}


def test_an_order_that_cannot_be_is_400(finance: Client) -> None:
    used(make_tenant())
    response = finance.get("/finance/usage/", {**RANGE, "sort": "colour"})
    assert response.status_code == 400
    assert "no column to sort by" in text(response.content)


def test_many_tenants_are_asked_for_by_name(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "TENANTS_LISTED_MAX", 2)
    for slug in ("acme", "kiosk"):
        make_tenant(slug=slug)
    assert b'<option value="acme"' in shown(finance)

    used(make_tenant(slug="third", name="Third Ltd"))

    assert b"<option value=" in shown(finance)
    assert b'<option value="acme"' not in shown(finance)
    page = shown(finance, tenant="third")
    assert "Third Ltd, billing days in UTC" in text(page)
    assert b'name="tenant" value="third"' in page


def test_tiles_show_rounded_spend_and_what_it_exactly_is(finance: Client) -> None:
    used(make_tenant())

    words = text(shown(finance))

    assert "Spend 3.77 USD exactly 3.76 85427" in words
    assert "Input tokens 1,234,567" in words
    assert "Output tokens 4,321 21 of them reasoning" in words


def test_filters_narrow_and_stand_in_the_address(finance: Client) -> None:
    acme, other = make_tenant(name="Acme Ltd"), make_tenant()
    used(acme, model="one")
    used(acme, model="two")
    used(other, model="one")

    page = shown(finance, tenant=acme.slug, model="one")

    assert [row[0] for row in tables(page)["By model"][1:]] == ["one", "Total USD"]
    assert "Acme Ltd, billing days in UTC · one" in text(page)
    assert f"tenant={acme.slug}&amp;model=one" in page.decode()


def test_the_scope_and_freshness_are_said(finance: Client, now: dt.datetime) -> None:
    used(make_tenant())

    words = text(shown(finance))

    assert "2026-11-09 to 2026-11-12" in words
    assert "all tenants, days of UTC · excluding tax" in words
    assert f"Complete to {now:%Y-%m-%d}" in words


def test_without_a_range_it_is_the_running_month(
    finance: Client, now: dt.datetime
) -> None:
    words = text(finance.get("/finance/usage/").content)

    month = now.date().replace(day=1)
    assert f"{month} to {month:%Y-%m}-" in words
    assert "so far" in words


def test_no_usage_says_why_and_what_to_do(finance: Client) -> None:
    words = text(shown(finance))

    assert "No usage in this range" in words
    assert "issue an API key" in words
    assert "None yet. A month closes by itself" in words
    assert not tables(shown(finance))


def test_filters_that_match_nothing_offer_to_drop_them(finance: Client) -> None:
    tenant = make_tenant()

    words = text(shown(finance, tenant=tenant.slug))

    assert "Nothing matches these filters" in words
    assert "issue an API key" not in words


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"from": "2026-11-12", "to": "2026-11-11"}, "ends before it begins"),
        ({"from": "eleventh"}, "Enter a valid date"),
        ({"from": "1969-01-01"}, "Choose a day of 2000 to 2199"),
        ({"tenant": "nobody"}, "There is no such tenant"),
        ({"tenant": "a\0b"}, "There is no such tenant"),
        ({"model": "nothing"}, "No such model"),
        ({"from": "", "to": "", "range": "8d"}, "'range' is one of 24h, 7d"),
        ({"by": "colour"}, "'by' is one of model, tenant, project, key"),
        ({"show": "cost"}, "'show' is one of spend, tokens, requests"),
        ({"each": "minute"}, "'each' is one of hour, day"),
        ({"from": "2026-11-01", "each": "hour"}, "Columns are hours for at most 7"),
        ({"from": "2026-11-12", "each": "day"}, "Columns are hours for at most 7"),
    ],
)
def test_a_filter_that_makes_no_sense_is_400_beside_its_field(
    finance: Client, query: dict[str, str], reason: str
) -> None:
    response = finance.get("/finance/usage/", {**RANGE, **query})

    assert response.status_code == 400
    assert reason in text(response.content)
    assert not tables(response.content)


def test_invoices_are_listed_with_number_state_and_amount(finance: Client) -> None:
    draft, issued = make_draft(), make_draft(counts=COUNTS)
    issue_invoice(invoice=issued, now=CLOSED)
    issued.refresh_from_db()

    page = shown(finance)
    rows = tables(page)["Recent invoices"][1:]

    assert rows == [
        [
            str(issued.number),
            "open",
            "3.76 USD",
            issued.tenant.slug,
            "2026-09-01 to 2026-09-30",
            "2026-10-02",
        ],
        ["not issued", "draft", "0.00 USD", draft.tenant.slug, *rows[1][4:]],
    ]
    assert f"/finance/invoices/{issued.public_id}/" in page.decode()
