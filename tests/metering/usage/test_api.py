"""The usage endpoint: its shape, its defaults, its refusals, and never a float."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from kit.contracts import TokenCounts
from metering.usage.services import cover, roll_up
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
RANGE = {"start": "2026-11-10", "end": "2026-11-11"}
MEASURES = {
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "charge_picos",
    "charge",
    "currency",
}
ZEROS = {
    "requests": 0,
    "input_tokens": 0,
    "cached_input_tokens": 0,
    "output_tokens": 0,
    "reasoning_tokens": 0,
    "charge_picos": "0",
    "charge": "0.00",
    "currency": None,
}


def ask(operator: Client, **query: str | int) -> Any:
    """Return the answer of a question that is answered."""
    response = operator.get("/api/v1/usage/", query)
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    return json.loads(response.content, parse_float=no_float)


def no_float(text: str) -> None:
    """Fail: money must not pass through a float."""
    raise AssertionError(f"{text} is a float")


def used(
    *,
    currency: str = "USD",
    zone: str = "UTC",
    model: str = "demo-model",
    **counts: int,
) -> Use:
    """Commit and roll up one request of a new tenant."""
    tenant = make_tenant(currency=currency, zone=zone)
    cover(tenant=tenant, earliest=NOON - dt.timedelta(days=2), latest=NOON)
    price = make_price(currency=currency, model=model)
    use = make_use(price=price, admitted_at=NOON, tenant=tenant)
    use = replace(use, counts=TokenCounts(**(counts or {"input_tokens": 1_000_000})))
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    return use


def test_each_group_has_its_keys_and_all_measures(operator: Client) -> None:
    use = used(
        input_tokens=10, cached_input_tokens=5, output_tokens=7, reasoning_tokens=3
    )
    asked = "tenant,project,key,model,day"

    (row,) = ask(operator, **RANGE, group_by=asked)["data"]

    assert set(row) - MEASURES == {
        *("tenant", "tenant_id", "project", "project_id"),
        *("key", "key_id", "model", "day"),
    }
    assert (row["day"], row["model"], row["project"]) == (
        "2026-11-10",
        "demo-model",
        "default",
    )
    assert (row["tenant_id"], row["key_id"]) == (use.tenant_id, use.api_key_id)
    assert (row["charge_picos"], row["charge"]) == ("136500000", "0.0001365")
    assert [row["requests"], row["input_tokens"], row["cached_input_tokens"]] == [
        1,
        10,
        5,
    ]
    assert (row["output_tokens"], row["reasoning_tokens"]) == (7, 3)


def test_only_what_was_asked_for_divides(operator: Client) -> None:
    used()

    (row,) = ask(operator, **RANGE, group_by="model")["data"]
    (whole,) = ask(operator, **RANGE)["data"]

    assert set(row) == MEASURES | {"model"}
    assert set(whole) == MEASURES


def test_total_is_the_sum_of_the_rows(operator: Client) -> None:
    used(model="one")
    used(model="two", output_tokens=3)

    answer = ask(operator, **RANGE, group_by="model")

    assert len(answer["data"]) == 2
    assert int(answer["total"]["charge_picos"]) == sum(
        int(row["charge_picos"]) for row in answer["data"]
    )
    assert answer["totals"] == [answer["total"]]


def test_amounts_of_two_currencies_are_never_added(operator: Client) -> None:
    used(currency="EUR")
    used(currency="USD", input_tokens=2)

    answer = ask(operator, **RANGE)

    assert [total["currency"] for total in answer["totals"]] == ["EUR", "USD"]
    assert [total["charge_picos"] for total in answer["totals"]] == [
        "3000000000000",
        "6000000",
    ]
    assert answer["total"]["charge_picos"] is answer["total"]["currency"] is None
    assert answer["total"]["input_tokens"] == 1_000_002


def test_nothing_used_is_zero_and_not_absent(operator: Client) -> None:
    answer = ask(operator, **RANGE, group_by="day")

    assert answer["data"] == answer["totals"] == []
    assert answer["total"] == ZEROS


def test_a_bare_date_is_the_tenants_billing_day(operator: Client) -> None:
    use = used(zone="Asia/Kolkata")

    answer = ask(operator, **RANGE, tenant=use.tenant_id)

    midnight = dt.datetime(2026, 11, 10, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert answer["start"] == "2026-11-09T18:30:00Z"
    assert dt.datetime.fromisoformat(answer["start"]) == midnight
    assert ask(operator, **RANGE)["start"] == "2026-11-10T00:00:00Z"


def test_without_a_range_it_is_the_running_month(operator: Client) -> None:
    answer = ask(operator)

    start = dt.datetime.fromisoformat(answer["start"])
    end = dt.datetime.fromisoformat(answer["end"])
    complete = dt.datetime.fromisoformat(answer["complete_to"])
    assert start.day == end.day == 1
    assert start <= complete < end
    assert dt.timedelta(days=28) <= end - start <= dt.timedelta(days=31)


@pytest.mark.parametrize("start", ["2026-11-10T12:00:00Z", "2026-11-10T13:00:00+01:00"])
def test_the_range_is_half_open_by_instants(operator: Client, start: str) -> None:
    used()

    assert ask(operator, start=start, end="2026-11-10T12:00:01Z")["data"]
    assert not ask(operator, start="2026-11-10T11:00:00Z", end=start)["data"]


def test_a_plus_sign_that_was_not_escaped_is_understood(operator: Client) -> None:
    response = operator.get(
        "/api/v1/usage/?start=2026-11-10T00:00:00+01:00&end=2026-11-11"
    )

    assert response.json()["start"] == "2026-11-09T23:00:00Z"


def test_each_filter_narrows(operator: Client) -> None:
    use = used(model="one")
    used(model="two")
    slug = ask(operator, **RANGE, tenant=use.tenant_id, group_by="tenant")["data"][0]

    for narrow in (
        {"tenant": use.tenant_id},
        {"tenant": slug["tenant"]},
        {"project": use.project_id},
        {"key": use.api_key_id},
        {"model": "one"},
    ):
        (row,) = ask(operator, **RANGE, group_by="model", **narrow)["data"]
        assert row["model"] == "one", narrow


def test_a_slug_of_digits_is_that_tenant_and_not_an_id(operator: Client) -> None:
    other = make_tenant()
    tenant = make_tenant(slug=str(other.pk))
    cover(tenant=tenant, earliest=NOON, latest=NOON)
    commit(
        make_epoch(started_at=NOON),
        make_use(price=make_price(), admitted_at=NOON, tenant=tenant),
    )

    assert ask(operator, **RANGE, tenant=str(other.pk))["data"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"start": "yesterday"}, "start"),
        ({"start": "2026-11-10T00:00:00"}, "start"),
        ({"end": "2026-13-01"}, "end"),
        ({"start": "2026-11-11", "end": "2026-11-10"}, "end"),
        ({"start": "1969-01-01"}, "start"),
        ({"group_by": "week"}, "group_by"),
        ({"group_by": "day,day"}, "group_by"),
        ({"tenant": "nobody"}, "tenant"),
        ({"tenant": "99999999999999999999"}, "tenant"),
        ({"tenant": "a\0b"}, "tenant"),
        ({"project": "x"}, "project"),
        ({"project": "987654321"}, "project"),
        ({"key": "0"}, "key"),
        ({"modle": "demo"}, "modle"),
        ({"group_by": ["day", "model"]}, "group_by"),
        (
            {"start": "2026-01-01T01:00:00Z", "end": "2026-11-01", "group_by": "key"},
            "start",
        ),
    ],
)
def test_what_makes_no_sense_is_400_and_named(
    operator: Client, query: dict[str, str | list[str]], param: str
) -> None:
    response = operator.get("/api/v1/usage/", query)

    assert response.status_code == 400, response.content
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["message"]


@pytest.mark.parametrize(
    ("group_by", "found"),
    [
        ("hour", {"hour": "2026-11-10T12:00:00Z"}),
        ("minute,model", {"minute": "2026-11-10T12:00:00Z", "model": "demo-model"}),
        ("day,hour", {"day": "2026-11-10", "hour": "2026-11-10T12:00:00Z"}),
    ],
)
def test_hours_and_minutes_are_instants_of_utc(
    operator: Client, group_by: str, found: dict[str, str]
) -> None:
    used(zone="Asia/Tokyo")

    (row,) = ask(operator, **RANGE, group_by=group_by)["data"]

    assert {name: row[name] for name in row.keys() - MEASURES} == found


@pytest.fixture
def described(operator: Client) -> dict[str, Any]:
    """Provide the endpoint's part of the OpenAPI document, references and all."""
    accept = {"Accept": "application/vnd.oai.openapi+json"}
    document = operator.get("/api/v1/schema/", headers=accept).json()
    return {**document["paths"]["/api/v1/usage/"]["get"], "in": document}


def shown(described: dict[str, Any], status: str) -> dict[str, Any]:
    """Return the examples of an answer, each found true to its schema."""
    (content,) = described["responses"][status]["content"].values()
    for each in content["examples"].values():
        schema = {**content["schema"], "components": described["in"]["components"]}
        OAS31Validator(schema, format_checker=oas31_format_checker).validate(
            each["value"]
        )
    return {each["summary"]: each["value"] for each in content["examples"].values()}


def test_documented_answer_has_the_keys_of_a_real_one(
    operator: Client, described: dict[str, Any]
) -> None:
    used()
    real = ask(operator, **RANGE, group_by="model,hour")
    example = shown(described, "200")["By model and hour"]
    assert example.keys() == real.keys()
    assert example["data"][0].keys() == real["data"][0].keys()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (
            "A long range of single events",
            {"start": "2026-01-01", "end": "2026-03-01", "group_by": "minute"},
        ),
        ("A bound that is none", {"start": "yesterday"}),
    ],
)
def test_documented_refusals_are_real(
    operator: Client, described: dict[str, Any], name: str, query: dict[str, str]
) -> None:
    response = operator.get("/api/v1/usage/", query)
    # Each request has an id of its own.
    real = {**response.json(), "instance": None}
    assert (response.status_code, real) == (400, shown(described, "400")[name])


def test_documented_questions_are_answered(
    operator: Client, described: dict[str, Any]
) -> None:
    make_tenant(slug="acme")
    for parameter in described["parameters"]:
        assert parameter["description"]
        for example in parameter.get("examples", {}).values():
            if example["summary"] != "By its id":
                whole = {"start": "2026-11-01", "end": "2026-12-01"}
                ask(operator, **whole | {parameter["name"]: example["value"]})
