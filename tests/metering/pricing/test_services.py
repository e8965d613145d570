"""Price books: drafted, published once, immutable after."""

import datetime as dt
from collections.abc import Callable

import psycopg
import pytest
from django.db import IntegrityError, transaction

from kit.errors import Conflict, InvalidRequest, ModelNotPriced, NotFound
from kit.orm.roles import OPERATOR, as_operator
from metering.pricing.announcing import CHANNEL
from metering.pricing.models import Price, PriceBook, PriceBookVersion
from metering.pricing.selectors import book_of, price_in_force, prices, versions
from metering.pricing.services import (
    create_price_book,
    draft_version,
    publish_version,
    remove_price,
    reschedule_version,
    set_price,
)
from tests.factories.pricing import make_assignment, make_book, make_price
from tests.factories.tenants import make_tenant

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
QUOTES = {
    "input_per_million": "2.50",
    "cached_input_per_million": "0.25",
    "output_per_million": "10",
}


def draft(
    book: PriceBook, *models: str, effective_at: dt.datetime = NOW
) -> PriceBookVersion:
    version = draft_version(book=book, effective_at=effective_at)
    for model in models:
        set_price(version=version, model=model, **QUOTES)
    return version


def published(
    book: PriceBook, *models: str, effective_at: dt.datetime = NOW
) -> PriceBookVersion:
    version = draft(book, *models, effective_at=effective_at)
    return publish_version(version=version, now=NOW)


def test_quote_becomes_whole_picos(operator_db: None) -> None:
    price = prices(version=draft(make_book(), "a")).get()
    assert (price.input_picos, price.cached_input_picos, price.output_picos) == (
        2_500_000,
        250_000,
        10_000_000,
    )


@pytest.mark.parametrize("quote", ["-1", "0.0000001", "abc", "NaN", "5000000.000001"])
def test_quote_that_is_no_price_is_refused(operator_db: None, quote: str) -> None:
    version = draft(make_book())
    with pytest.raises(InvalidRequest) as caught:
        set_price(version=version, model="a", **{**QUOTES, "output_per_million": quote})
    assert caught.value.param == "output_per_million"


def test_setting_a_price_again_replaces_it(operator_db: None) -> None:
    version = draft(make_book(), "a")
    set_price(version=version, model="a", **{**QUOTES, "output_per_million": "11"})
    assert prices(version=version).get().output_picos == 11_000_000


@pytest.mark.parametrize("currency", ["usd", "US", "USDX", "€€€", "U1D"])
def test_currency_is_a_code(operator_db: None, currency: str) -> None:
    with pytest.raises(InvalidRequest, match="ISO 4217"):
        create_price_book(name="b", currency=currency)


def test_name_and_default_are_taken_once(operator_db: None) -> None:
    create_price_book(name="one", currency="USD", is_default=True)
    with pytest.raises(Conflict, match="already") as name:
        create_price_book(name="one", currency="EUR")
    with pytest.raises(Conflict, match="already") as default:
        create_price_book(name="two", currency="USD", is_default=True)
    assert (name.value.param, default.value.param) == ("name", "is_default")


def test_versions_are_numbered_and_can_copy(operator_db: None) -> None:
    book = make_book()
    first = published(book, "a", "b")
    second = draft_version(book=book, effective_at=NOW + HOUR, copy_from=first)
    remove_price(version=second, model="b")
    assert [version.number for version in versions(book=book)] == [2, 1]
    assert [price.model for price in prices(version=second)] == ["a"]


def test_published_version_is_immutable(operator_db: None) -> None:
    version = published(make_book(), "a")
    with pytest.raises(Conflict, match="is published"):
        set_price(version=version, model="a", **QUOTES)
    with pytest.raises(Conflict, match="is published"):
        remove_price(version=version, model="a")
    with pytest.raises(Conflict, match="is published"):
        reschedule_version(version=version, effective_at=NOW + HOUR)
    assert publish_version(version=version, now=NOW + HOUR).published_at == NOW


def new_price(version: PriceBookVersion) -> object:
    return Price.objects.create(
        version=version,
        model="b",
        input_picos=0,
        cached_input_picos=0,
        output_picos=0,
    )


@pytest.mark.parametrize(
    "change",
    [
        new_price,
        lambda version: version.prices.update(output_picos=0),
        lambda version: version.prices.all().delete(),
        lambda version: version.book.versions.update(effective_at=NOW),
    ],
)
def test_database_keeps_what_was_published(
    operator_db: None, change: Callable[[PriceBookVersion], object]
) -> None:
    version = published(make_book(), "a")
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic(OPERATOR):
        change(version)


def test_version_without_prices_is_refused(operator_db: None) -> None:
    with pytest.raises(Conflict, match="no prices"):
        published(make_book())


def test_version_of_the_past_is_refused_unless_it_is_the_first(
    operator_db: None,
) -> None:
    book = make_book()
    published(book, "a", effective_at=NOW - 1000 * HOUR)
    with pytest.raises(Conflict, match="already"):
        published(book, "a", effective_at=NOW - HOUR)
    published(book, "a", effective_at=NOW - HOUR / 120)


def test_version_begins_after_the_last_published(operator_db: None) -> None:
    book = make_book()
    published(book, "a", effective_at=NOW + 2 * HOUR)
    for effective_at in (NOW + HOUR, NOW + 2 * HOUR):
        with pytest.raises(Conflict, match="not after"):
            published(book, "a", effective_at=effective_at)


def test_a_mistyped_year_does_not_fix_the_prices_until_then(operator_db: None) -> None:
    book = make_book()
    for year in (2062, 9999):
        with pytest.raises(Conflict, match="at most 366 days"):
            published(book, "a", effective_at=NOW.replace(year=year))
    published(book, "a", effective_at=NOW + 366 * 24 * HOUR)


def test_model_is_dropped_only_when_said(operator_db: None) -> None:
    book = make_book()
    published(book, "a", "b")
    version = draft(book, "a", effective_at=NOW + HOUR)
    with pytest.raises(Conflict, match="no price for b"):
        publish_version(version=version, now=NOW)
    with pytest.raises(InvalidRequest, match="lists a"):
        publish_version(version=version, now=NOW, drop=["a", "b"])
    assert publish_version(version=version, now=NOW, drop=["b"]).published_at == NOW


def test_price_in_force_is_the_last_that_has_begun(operator_db: None) -> None:
    tenant = make_tenant(currency="CHF")
    book = make_book(currency="CHF", is_default=True)
    first = published(book, "a", effective_at=NOW)
    second = published(book, "a", effective_at=NOW + HOUR)
    draft(book, "a", effective_at=NOW + HOUR / 2)

    def version_at(at: dt.datetime) -> int:
        price = price_in_force(tenant=tenant, model="a", at=at)
        return Price.objects.get(pk=price.id).version_id

    tick = dt.timedelta(microseconds=1)
    with pytest.raises(ModelNotPriced):
        version_at(NOW - tick)
    assert version_at(NOW) == version_at(NOW + HOUR - tick) == first.pk
    assert version_at(NOW + HOUR) == second.pk
    with pytest.raises(ModelNotPriced):
        price_in_force(tenant=tenant, model="b", at=NOW)


def test_assigned_book_goes_before_the_default(operator_db: None) -> None:
    tenant = make_tenant(currency="CHF")
    with pytest.raises(NotFound, match="no price book"):
        book_of(tenant=tenant, at=NOW)
    default, own = make_book(currency="CHF", is_default=True), make_book(currency="CHF")
    assert book_of(tenant=tenant, at=NOW) == default
    make_assignment(tenant=tenant, book=own)
    assert book_of(tenant=tenant, at=NOW) == own


def test_gateways_hear_of_what_was_committed_only(fresh_database: object) -> None:
    url = fresh_database.url_for("gateway")  # type: ignore[attr-defined]
    with psycopg.connect(url, autocommit=True) as gateway, as_operator():
        gateway.execute(f"LISTEN {CHANNEL}")
        with transaction.atomic(using=OPERATOR):
            make_price()
            transaction.set_rollback(True, using=OPERATOR)
        make_price(model="heard")
        heard = [notice.payload for notice in gateway.notifies(timeout=5, stop_after=1)]
        version = Price.objects.get(model="heard").version_id
    assert heard == [f"version {version}"]
