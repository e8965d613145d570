"""Refusals over the API: by the hour, in pages, each kind once, and whose they are."""

import datetime as dt
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from inference.control.refusals import _BY_HOUR, RefusalQuery, _parameters
from kit.orm.roles import OPERATOR
from tests.api.callers import Callers
from tests.factories.refusals import make_refusal
from tests.factories.tenants import make_key, make_project, make_tenant

URL = "/api/v1/usage/refusals/"
HOUR = dt.timedelta(hours=1)
# Of a range that is asked for, so that no clock matters.
NINE = dt.datetime(2026, 11, 10, 9, tzinfo=dt.UTC)
RANGE = {"start": "2026-11-10T09:30:00Z", "end": "2026-11-10T12:00:00Z"}


@pytest.fixture
def caller(fresh_database: object) -> Callers:
    """Provide a maker of clients by role."""
    return Callers()


def ask(client: Client, **query: Any) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    page = client.get(URL, {**RANGE, **query})
    assert page.status_code == 200, page.content
    found = list(page.json()["data"])
    while (following := page.json()["next"]) is not None:
        page = client.get(following)
        found += page.json()["data"]
    return found


def test_runs_are_added_up_by_hour_and_kind(caller: Callers) -> None:
    key = make_key(name="batch").row
    for source, requests in (("a", 3), ("b", 4)):
        make_refusal(key, NINE, source=source, requests=requests)
    make_refusal(key, NINE + HOUR, status=404, code="model_not_found", model="")
    make_refusal(key, NINE + 3 * HOUR, requests=1000)

    last, first = ask(caller(tenant=key.tenant))

    assert (last["hour"], last["status"], last["limit"]) == (
        "2026-11-10T10:00:00Z",
        404,
        "",
    )
    assert (first["hour"], first["requests"]) == ("2026-11-10T09:00:00Z", 7)
    assert first["limit"] == "api_key:requests:minute"
    assert (first["key_id"], first["key"]) == (key.pk, f"batch ({key.shown})")
    assert (first["project_id"], first["project"]) == (key.project_id, "default")
    assert first["last_at"] == "2026-11-10T09:07:00Z"


def test_pages_hold_every_kind_of_every_hour_once(caller: Callers) -> None:
    key = make_key().row
    kinds = [(number % 3, f"m{number}") for number in range(7)]
    for after, model in kinds:
        for source in ("a", "b"):
            make_refusal(key, NINE + after * HOUR, model=model, source=source)
    client = caller(tenant=key.tenant)

    found = ask(client, limit=2)

    assert sorted(row["model"] for row in found) == [model for _, model in kinds]
    hours = [row["hour"] for row in found]
    assert hours == sorted(hours, reverse=True)
    assert {row["requests"] for row in found} == {2}
    assert ask(client, limit=3) == found


def test_what_narrows_it(caller: Callers) -> None:
    key = make_key().row
    other = make_key(tenant=key.tenant, project=make_project(tenant=key.tenant)).row
    make_refusal(key, NINE, model="m1")
    make_refusal(other, NINE, model="m2", status=503, code="engine_overloaded")
    operator = caller()
    of = {"tenant": key.tenant.slug}

    assert len(ask(operator, **of)) == 2
    for query, model in (
        ({"model": "m2"}, "m2"),
        ({"status": 503}, "m2"),
        ({"key": key.pk}, "m1"),
        ({"project": other.project_id}, "m2"),
    ):
        assert [row["model"] for row in ask(operator, **of, **query)] == [model]
    assert ask(operator, **of, start="2026-11-10T10:00:00Z") == []


def test_without_a_range_it_is_all_that_is_kept(caller: Callers) -> None:
    key = make_key().row
    # The gateway's clock may be ahead of the web's.
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    make_refusal(key, hour)
    make_refusal(key, hour - dt.timedelta(days=20))

    found = caller(tenant=key.tenant).get(URL).json()["data"]

    assert len(found) == 2


def test_it_is_there_for_who_may_see_it_alone(caller: Callers) -> None:
    key = make_key().row
    inside = make_project(tenant=key.tenant)
    make_refusal(key, NINE, requests=1000)
    make_refusal(make_key(tenant=key.tenant, project=inside).row, NINE, requests=3)
    developer = caller(role="developer", tenant=key.tenant, projects=[inside])

    assert [row["requests"] for row in ask(developer)] == [3]
    assert ask(caller(tenant=make_tenant())) == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({}, "tenant"),
        ({"tenant": "nobody"}, "tenant"),
        ({"tenant": "{tenant}", "end": "2026-11-10T09:30:00Z"}, "end"),
        ({"tenant": "{tenant}", "start": "noon"}, "start"),
        ({"tenant": "{tenant}", "status": "200"}, "status"),
        ({"tenant": "{tenant}", "key": "9" * 30}, "key"),
        ({"tenant": "{tenant}", "cursor": "cD0xLzI="}, "cursor"),
    ],
)
def test_what_makes_no_sense_is_said(
    caller: Callers, query: dict[str, str], param: str
) -> None:
    tenant = make_tenant()
    asked = {name: value.format(tenant=tenant.slug) for name, value in query.items()}
    answer = caller().get(URL, {**RANGE, **asked})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_page_reads_along_the_hours(operator_db: None) -> None:
    query = RefusalQuery(tenant_id=1, start=NINE, end=NINE + HOUR)
    asked = {**_parameters(query), "before": NINE, "kind": "0", "size": 51}
    with connections[OPERATOR].cursor() as session:
        session.execute("SET LOCAL enable_seqscan = off")
        session.execute(f"EXPLAIN {_BY_HOUR}", asked)
        plan = "\n".join(row[0] for row in session.fetchall())
    bounds = [line for line in plan.splitlines() if "Index Cond" in line]
    assert any("hour <= " in line and "hour < " in line for line in bounds), plan
