"""The life of a price book over HTTP: drafted, priced, published, immutable."""

import datetime as dt
import json
from typing import Any

import pytest
from django.test import Client

from metering.pricing.selectors import book_of
from tests.factories.tenants import make_tenant

BOOKS = "/api/v1/price-books/"
LONG_AGO = "2020-01-01T00:00:00Z"
LATER = (dt.datetime.now(dt.UTC) + dt.timedelta(days=30)).isoformat()
PRICE = {
    "model": "org/demo-model",
    "input_per_million": "3",
    "cached_input_per_million": "0.3",
    "output_per_million": "15.000001",
}
AS_SHOWN = {**PRICE, "input_per_million": "3.00", "cached_input_per_million": "0.30"}


def send(operator: Client, method: str, address: str, body: object) -> tuple[int, Any]:
    """Send JSON; return the status and the answer."""
    response = operator.generic(
        method, address, json.dumps(body), content_type="application/json"
    )
    return response.status_code, response.json()


def made(operator: Client, address: str, body: object) -> Any:
    """Create something, and return it."""
    status, answer = send(operator, "POST", address, body)
    assert status == 201, answer
    return answer


@pytest.fixture
def book(operator: Client) -> str:
    """Provide the address of a new price book."""
    created = made(operator, BOOKS, {"name": "Standard", "currency": "USD"})
    return f"{BOOKS}{created['id']}/"


@pytest.fixture
def draft(operator: Client, book: str) -> str:
    """Provide the address of a draft with one price."""
    version = made(operator, f"{book}versions/", {"effective_at": LONG_AGO})
    address = f"{book}versions/{version['number']}/"
    assert send(operator, "PUT", f"{address}prices/", {"prices": [PRICE]})[0] == 200
    return address


@pytest.fixture
def published(operator: Client, draft: str) -> str:
    """Provide the address of a published version."""
    assert send(operator, "POST", f"{draft}publish/", {})[0] == 200
    return draft


def test_a_book_is_created_listed_and_shown(operator: Client, book: str) -> None:
    shown = operator.get(book).json()

    assert (shown["name"], shown["currency"]) == ("Standard", "USD")
    assert shown["is_default"] is False
    assert operator.get(BOOKS).json()["data"] == [shown]
    assert operator.get(BOOKS, {"currency": "EUR"}).json()["data"] == []


def test_prices_of_a_draft_are_set_as_quotes(operator: Client, draft: str) -> None:
    shown = operator.get(draft).json()

    assert (shown["number"], shown["state"]) == (1, "draft")
    assert shown["published_at"] is None
    (price,) = shown["prices"]
    assert price == {"id": price["id"], **AS_SHOWN, "follows": False}


def test_setting_prices_replaces_all_of_them(operator: Client, draft: str) -> None:
    other = {**PRICE, "model": "other"}
    status, shown = send(operator, "PUT", f"{draft}prices/", {"prices": [other]})

    assert status == 200
    assert [price["model"] for price in shown["prices"]] == ["other"]


def test_prices_are_set_all_or_none(operator: Client, draft: str) -> None:
    wrong = {**PRICE, "model": "wrong", "input_per_million": "0.0000001"}
    body = {"prices": [{**PRICE, "model": "fine"}, wrong]}
    status, refused = send(operator, "PUT", f"{draft}prices/", body)

    assert (status, refused["error"]["param"]) == (400, "input_per_million")
    listed = operator.get(draft).json()["prices"]
    assert [price["model"] for price in listed] == [PRICE["model"]]


def test_publication_is_for_good(operator: Client, published: str) -> None:
    shown = operator.get(published).json()
    attempts = [
        ("PATCH", published, {"effective_at": LATER}),
        ("PUT", f"{published}prices/", {"prices": [{**PRICE, "model": "new"}]}),
        ("PUT", f"{published}prices/", {"prices": []}),
    ]

    assert shown["state"] == "published"
    assert shown["published_at"]
    for attempt in attempts:
        status, refused = send(operator, *attempt)
        assert (status, refused["error"]["code"]) == (409, "conflict"), attempt
    assert operator.get(published).json() == shown


def test_publishing_twice_changes_nothing(operator: Client, published: str) -> None:
    shown = operator.get(published).json()

    assert send(operator, "POST", f"{published}publish/", {}) == (200, shown)


def test_whether_it_is_late_is_told_by_the_clock_that_dates_requests(
    operator: Client, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = dt.timedelta(hours=1)
    present = dt.datetime.now(dt.UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: present - 2 * hour)
    versions = published.removesuffix("1/")
    begun = {"effective_at": (present - hour).isoformat(), "copy_from": 1}
    made(operator, versions, begun)

    status, refused = send(operator, "POST", f"{versions}2/publish/", {})
    assert (status, refused["error"]["param"]) == (409, "effective_at")


def test_a_draft_without_prices_is_not_published(operator: Client, book: str) -> None:
    made(operator, f"{book}versions/", {"effective_at": LONG_AGO})
    status, _ = send(operator, "POST", f"{book}versions/1/publish/", {})

    assert status == 409


def test_leaving_a_model_out_must_be_said(operator: Client, published: str) -> None:
    versions = published.removesuffix("1/")
    made(operator, versions, {"effective_at": LATER, "copy_from": 1})
    other = {"prices": [{**PRICE, "model": "other"}]}
    send(operator, "PUT", f"{versions}2/prices/", other)

    status, refused = send(operator, "POST", f"{versions}2/publish/", {})
    assert (status, refused["error"]["param"]) == (409, "drop")
    drop = {"drop": [PRICE["model"]]}
    assert send(operator, "POST", f"{versions}2/publish/", drop)[0] == 200


def test_a_draft_starts_with_the_prices_of_another(
    operator: Client, published: str
) -> None:
    versions = published.removesuffix("1/")
    copy = made(operator, versions, {"effective_at": LATER, "copy_from": 1})

    assert (copy["number"], copy["prices"][0]["model"]) == (2, PRICE["model"])
    moved = "2198-01-01T00:00:00Z"
    status, shown = send(operator, "PATCH", f"{versions}2/", {"effective_at": moved})
    assert (status, shown["effective_at"]) == (200, moved)
    listed = operator.get(versions).json()["data"]
    assert [version["number"] for version in listed] == [2, 1]


def test_a_tenant_is_assigned_a_book_of_its_currency(
    operator: Client, book: str
) -> None:
    dollars, euros = make_tenant(currency="USD"), make_tenant(currency="EUR")

    status, shown = send(operator, "POST", f"{book}assign/", {"tenant": dollars.pk})
    assert (status, shown["tenant"]) == (200, dollars.pk)
    assert book_of(tenant=dollars, at=dt.datetime.now(dt.UTC)).pk == shown["price_book"]
    status, refused = send(operator, "POST", f"{book}assign/", {"tenant": euros.pk})
    assert (status, refused["error"]["param"]) == (400, "book")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"name": "Standard", "currency": "USD"}, 409, "name"),
        ({"name": "Other", "currency": "usd"}, 400, "currency"),
        ({"currency": "USD"}, 400, "name"),
        ({"name": "Other", "currency": "USD", "price": "3"}, 400, "price"),
    ],
)
def test_a_wrong_book_is_refused_and_the_field_named(
    operator: Client, book: str, body: dict[str, str], status: int, param: str
) -> None:
    answered, refused = send(operator, "POST", BOOKS, body)

    assert (answered, refused["error"]["param"]) == (status, param)


@pytest.mark.parametrize(
    "quote",
    [
        *("", "three", "-1", "0.0000001", "NaN", "9e9", 3, 0.3),
        *("1e3", "1_000", "+5", "1,50", "\u0661\u0662", "9" * 5000),
    ],
)
def test_a_wrong_quote_is_400(operator: Client, draft: str, quote: object) -> None:
    price = {**PRICE, "output_per_million": quote}
    status, refused = send(operator, "PUT", f"{draft}prices/", {"prices": [price]})

    assert status == 400
    assert "output_per_million" in refused["error"]["param"]


def test_a_model_listed_twice_is_400(operator: Client, draft: str) -> None:
    body = {"prices": [PRICE, PRICE]}
    status, refused = send(operator, "PUT", f"{draft}prices/", body)

    assert (status, refused["error"]["param"]) == (400, "prices")


def test_a_copy_of_no_version_is_400(operator: Client, book: str) -> None:
    body = {"effective_at": LONG_AGO, "copy_from": 7}
    status, refused = send(operator, "POST", f"{book}versions/", body)

    assert (status, refused["error"]["param"]) == (400, "copy_from")
