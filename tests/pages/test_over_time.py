"""Usage over time on the finance page: the API's numbers, zeros filled in, in words."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from kit.orm.roles import as_operator
from metering.usage import selectors
from metering.usage.models import Epoch
from metering.usage.selectors import database_now
from metering.usage.services import cover, roll_up
from tenants.models import Tenant
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.reading import Rows, tables, text

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
DAYS = {"from": "2026-11-09", "to": "2026-11-12"}


def used(tenant: Tenant, *instants: dt.datetime, model: str = "one") -> None:
    """Commit a request of the tenant at each instant, and roll them up."""
    cover(tenant=tenant, earliest=min(instants) - DAY, latest=max(instants) + DAY)
    price = make_price(currency=tenant.currency, model=model)
    use = make_use(price=price, admitted_at=NOON, tenant=tenant)
    epoch = make_epoch(started_at=min(instants), heartbeat_at=database_now())
    commit(epoch, *(replace(use, admitted_at=instant) for instant in instants))
    roll_up()


def shown(finance: Client, **query: str) -> bytes:
    """Return the page."""
    response = finance.get("/finance/usage/", query)
    assert response.status_code == 200
    return response.content


def answered(**query: str) -> Any:
    """Return what the API says."""
    token = {"Authorization": f"Bearer {settings.OPERATOR_TOKEN}"}
    return Client().get("/api/v1/usage/", query, headers=token).json()


def cells(rows: Rows) -> dict[tuple[str, str], str]:
    """Return what is not zero of a twin: (hour or day, series) -> spend."""
    (_, *names, _), *lines = rows
    return {
        (line[0], name): figure.rstrip("0")
        for line in lines[:-1]
        for name, figure in zip(names, line[1:-1], strict=True)
        if figure.strip("0.")
    }


def test_days_are_those_of_the_api_and_days_without_use_are_zero(
    finance: Client,
) -> None:
    acme = make_tenant()
    used(acme, NOON, NOON, NOON + 2 * DAY)
    used(acme, NOON, model="two")

    rows = tables(shown(finance, **DAYS))["Spend in USD by day, by model"]

    answer = answered(start="2026-11-09", end="2026-11-13", group_by="day,model")
    assert cells(rows) == {
        (row["day"], row["model"]): row["charge"].rstrip("0") for row in answer["data"]
    }
    assert [row[0] for row in rows] == [
        *("Day", "2026-11-09", "2026-11-10", "2026-11-11", "2026-11-12", "Total"),
    ]
    assert rows[0] == ["Day", "one", "two", "Total"]
    assert [set(row[1:]) for row in rows[1:4:2]] == [{"0.000000"}, {"0.000000"}]


@pytest.mark.parametrize("by", ["model", "tenant", "project", "key"])
def test_hours_are_those_of_the_api(finance: Client, by: str) -> None:
    acme, kiosk = make_tenant(), make_tenant()
    used(acme, NOON, NOON + HOUR / 2, NOON + 3 * HOUR)
    used(kiosk, NOON - HOUR, model="two")

    page = tables(shown(finance, **{"from": "2026-11-10", "to": "2026-11-10"}, by=by))
    (title,) = [name for name in page if name.startswith("Spend in USD by hour")]

    answer = answered(start="2026-11-10", end="2026-11-11", group_by=f"hour,{by}")
    assert sorted(spend for spend in cells(page[title]).values()) == sorted(
        row["charge"].rstrip("0") for row in answer["data"]
    )
    assert sorted({hour for hour, _ in cells(page[title])}) == [
        f"2026-11-10 {hour}:00" for hour in (11, 12, 15)
    ]
    assert len(page[title]) == 1 + 24 + 1


@pytest.mark.parametrize("by", ["model", "key"])
def test_the_last_24_hours_are_24_and_only_the_last_is_not_over(
    finance: Client, now: dt.datetime, by: str
) -> None:
    used(make_tenant(), now - HOUR, now - 2 * HOUR, now - 30 * HOUR)

    page = shown(finance, range="24h", by=by)

    found = tables(page)
    (over_time,) = [rows for title, rows in found.items() if "by hour" in title]
    assert len(over_time) == 1 + 24 + 1
    running = [row[0] for row in over_time if "so far" in row[0]]
    assert running == [f"{now:%Y-%m-%d %H}:00, so far"]
    (divided,) = [rows for title, rows in found.items() if title.startswith("By ")]
    assert divided[-1][1].rstrip("0") == over_time[-1][-1].rstrip("0")
    assert divided[-1][3] == divided[1][3] == "2"
    assert f"to {now.replace(minute=0) + HOUR:%Y-%m-%d %H:00} UTC" in text(page)


def test_every_hour_in_which_a_request_may_still_run_is_marked(
    finance: Client, now: dt.datetime
) -> None:
    used(make_tenant(), now - 5 * HOUR)
    with as_operator():
        Epoch.objects.update(open_since=now - HOUR)

    page = shown(finance, range="24h")

    (over_time,) = [rows for title, rows in tables(page).items() if "by hour" in title]
    assert [row[0] for row in over_time if "so far" in row[0]] == [
        f"{hour:%Y-%m-%d %H}:00, so far" for hour in (now - HOUR, now)
    ]
    # The legend's and one on each of the two columns.
    assert page.count(b'fill="url(#hatch-1)"') == 3
    assert "what was admitted later is still running" in text(page)


def test_hours_of_a_tenant_in_a_half_hour_zone_say_where_its_day_begins(
    finance: Client,
) -> None:
    tenant = make_tenant(zone="Asia/Kolkata")
    used(tenant, NOON, NOON.replace(hour=18, minute=40))

    day = {"from": "2026-11-11", "to": "2026-11-11", "tenant": tenant.slug}
    rows = tables(shown(finance, **day))["Spend in USD by hour, by model"]

    assert len(rows) == 1 + 25 + 1
    assert rows[1][0] == "2026-11-10 18:30"
    assert list(cells(rows)) == [("2026-11-10 18:30", "one")]


def test_each_currency_has_a_chart_and_counts_have_one(finance: Client) -> None:
    used(make_tenant(), NOON)
    used(make_tenant(currency="EUR"), NOON)

    spend = tables(shown(finance, **DAYS))
    tokens = tables(shown(finance, **DAYS, show="tokens"))

    assert {
        "Spend in EUR by day, by model",
        "Spend in USD by day, by model",
    } <= set(spend)
    assert tokens["Tokens by day, by model"][-1] == ["Total", "340", "340"]


def test_a_range_without_room_for_a_chart_says_so_and_keeps_its_table(
    finance: Client,
) -> None:
    used(make_tenant(), NOON)

    page = shown(finance, **{"from": "2026-01-01", "to": "2026-12-31"})

    assert "A chart has room for 92 days at most" in text(page)
    assert "By model" in tables(page)
    assert b"<figure" not in page


def test_keys_of_tenants_with_other_days_are_told_by_days_of_utc(
    finance: Client,
) -> None:
    # Its next day has begun at 19 o'clock.
    used(make_tenant(slug="acme", zone="Asia/Kolkata"), NOON + 7 * HOUR)

    page = shown(finance, **{"from": "2026-09-01", "to": "2026-11-12"}, by="key")

    rows = tables(page)["Spend in USD by day, by API key"]
    assert [day for day, _ in cells(rows)] == ["2026-11-10"]


def test_a_chart_of_more_rows_than_are_answered_leaves_the_table(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(make_tenant(), NOON, NOON + DAY)
    monkeypatch.setattr(selectors, "ROWS_MAX", 1)

    page = shown(finance, **DAYS, by="key")

    assert "The answer has more than 1 rows" in text(page)
    assert set(tables(page)) == {"By API key"}


@pytest.mark.parametrize("each", ["day", "hour"])
@pytest.mark.parametrize("by", ["tenant", "project", "key"])
def test_of_many_tenants_few_are_told_and_the_rest_is_one(
    finance: Client, by: str, each: str
) -> None:
    for number in range(1, 7):
        used(make_tenant(slug=f"t-{number}"), *[NOON + HOUR] * number, NOON + DAY)
    used(make_tenant(slug="t-eur", currency="EUR"), NOON)

    found = tables(shown(finance, **DAYS, by=by, each=each))
    noun = {"key": "API key"}.get(by, by)
    rows = found[f"Spend in USD by {each}, by {noun}"]

    when = "2026-11-10" if each == "day" else "2026-11-10 13:00"
    assert [name.split(" ")[0] for name in rows[0][1:-1]] == [
        *("t-6", "t-5", "t-4", "t-3", "Other")
    ]
    assert rows[0][-2] == "Other (2)"
    spent = [requests * 1056 for requests in (6, 5, 4, 3, 1 + 2)]
    (line,) = (row for row in rows if row[0] == when)
    assert [figure.rstrip("0") for figure in line[1:-1]] == [
        f"0.{micros:06d}".rstrip("0") for micros in spent
    ]
    totals = [row for row in found[f"By {noun}"] if row[0] == "Total USD"]
    assert rows[-1][-1].rstrip("0") == totals[0][1].rstrip("0")
    assert len(found[f"Spend in EUR by {each}, by {noun}"][0]) == 3


def test_the_table_twin_is_named_and_can_be_reached_by_keyboard(
    finance: Client,
) -> None:
    used(make_tenant(), NOON)

    page = shown(finance, **DAYS).decode()

    assert "<summary>Show as table</summary>" in page
    assert "<caption>Spend in USD by day, by model</caption>" in page
    assert (
        'role="region" aria-label="Table: Spend in USD by day, by model" tabindex="0"'
        in page
    )
    assert 'role="img" aria-label="Spend in USD by day, by model. ' in page
    assert page.count("<title>2026-11-") == 4


def test_a_tenant_may_be_newer_than_the_instant_that_usage_is_complete_to(
    finance: Client, now: dt.datetime
) -> None:
    tenant = make_tenant()
    make_epoch(started_at=now - 9 * DAY, heartbeat_at=now)
    with as_operator():
        Epoch.objects.update(open_since=now - 3 * DAY)
    cover(tenant=tenant, earliest=now, latest=now)

    page = shown(finance, range="7d", tenant=tenant.slug)

    assert f"Complete to {now - 3 * DAY:%Y-%m-%d}" in text(page)


def test_more_groups_than_an_answer_holds_are_400_with_the_way_out(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        used(make_tenant(), NOON)
    monkeypatch.setattr(selectors, "ROWS_MAX", 1)

    response = finance.get("/finance/usage/", {**DAYS, "by": "key"})

    assert response.status_code == 400
    assert "ask for a shorter range" in text(response.content)


def test_days_are_said_to_be_of_the_zone_in_which_they_were_made(
    finance: Client,
) -> None:
    tenant = make_tenant(zone="UTC")
    used(tenant, NOON)
    with as_operator():
        Tenant.objects.filter(pk=tenant.pk).update(zone="Asia/Kolkata")

    words = text(shown(finance, **DAYS, tenant=tenant.slug))

    assert "billing days in UTC" in words
