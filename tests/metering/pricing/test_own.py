"""A tenant's own prices: what the selectors of operators say, and of nobody else."""

import datetime as dt

import psycopg
import pytest

from kit.contracts import LinearPrice
from kit.orm.atomic import cursor
from kit.orm.roles import as_operator, as_tenant
from metering.pricing import services
from metering.pricing.own import (
    PriceSpan,
    next_change,
    own_prices,
    price_histories,
    price_history,
)
from metering.pricing.selectors import price_in_force
from tenants.models import Tenant
from tests.databases import Database
from tests.factories.pricing import (
    LONG_AGO,
    make_assignment,
    make_book,
    make_contract,
    make_price,
)
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
QUOTES = {
    "input_per_million": "1",
    "cached_input_per_million": "1",
    "output_per_million": "1",
}


def own(tenant: Tenant, at: dt.datetime = NOW) -> LinearPrice:
    """Return the one price that a tenant reads of itself."""
    with as_tenant(tenant.pk):
        (found,) = own_prices(tenant_id=tenant.pk, at=at).values()
    return found.price


def told(tenant: Tenant, at: dt.datetime = NOW) -> LinearPrice:
    """Return the price that operators read of it."""
    with as_operator():
        return price_in_force(tenant=tenant, model="demo-model", at=at)


def test_the_default_an_assigned_book_and_a_contract_each_before_the_one_before() -> (
    None
):
    usual = make_book(is_default=True)
    make_price(book=usual)
    tenant = make_tenant()
    assert own(tenant) == told(tenant)

    dearer = make_book()
    make_price(book=dearer, per_million=("6", "0.6", "30"))
    make_assignment(tenant=tenant, book=dearer)
    assert own(tenant) == told(tenant)
    assert own(tenant).input_picos == 6_000_000

    make_contract(tenant=tenant, base=dearer, percent="50", ends_at=NOW + HOUR)
    assert own(tenant) == told(tenant)
    assert own(tenant).input_picos == 3_000_000
    assert own(tenant, NOW + HOUR) == told(tenant, NOW + HOUR)
    assert own(tenant, NOW + HOUR).input_picos == 6_000_000


def test_the_next_change_is_the_first_instant_of_other_prices() -> None:
    book = make_book(is_default=True)
    make_price(book=book)
    tenant = make_tenant()
    with as_tenant(tenant.pk):
        assert next_change(tenant_id=tenant.pk, at=NOW) is None

    make_price(book=book, per_million=("9", "9", "9"), effective_at=NOW + 2 * HOUR)
    with as_tenant(tenant.pk):
        assert next_change(tenant_id=tenant.pk, at=NOW) == NOW + 2 * HOUR
    assert (
        own(tenant, NOW + 2 * HOUR - dt.timedelta.resolution).input_picos == 3_000_000
    )
    assert own(tenant, NOW + 2 * HOUR).input_picos == 9_000_000

    make_contract(tenant=tenant, base=book, starts_at=NOW + HOUR)
    with as_tenant(tenant.pk):
        assert next_change(tenant_id=tenant.pk, at=NOW) == NOW + HOUR
        assert next_change(tenant_id=tenant.pk, at=LONG_AGO) == NOW + HOUR


def history(tenant: Tenant) -> list[PriceSpan]:
    """Return what a tenant that was always there reads of its one model's prices."""
    with as_operator():
        Tenant.objects.filter(pk=tenant.pk).update(created_at=LONG_AGO)
    with as_tenant(tenant.pk):
        return price_history(tenant_id=tenant.pk, model="demo-model")


def test_a_history_joins_what_costs_the_same_and_tells_each_other_price() -> None:
    book = make_book(is_default=True)
    make_price(book=book, effective_at=NOW - 9 * HOUR)
    make_price(book=book, effective_at=NOW - 8 * HOUR)
    make_price(book=book, effective_at=NOW - HOUR, per_million=("4", "4", "4"))
    tenant = make_tenant()
    make_contract(
        tenant=tenant, base=book, starts_at=NOW - 2 * HOUR, ends_at=NOW + 3 * HOUR
    )
    with as_operator():
        closing = services.draft_version(book=book, effective_at=NOW + HOUR)
        services.set_price(version=closing, model="another", **QUOTES)
        services.publish_version(version=closing, now=NOW, drop=["demo-model"])

    found = history(tenant)

    assert [
        (span.starts_at, span.price and span.price.price.output_picos) for span in found
    ] == [
        (NOW - 9 * HOUR, 15_000_000),
        (NOW - 2 * HOUR, 7_500_000),
        (NOW - HOUR, 2_000_000),
        (NOW + HOUR, None),
    ]
    assert [span.ends_at for span in found] == [
        *(span.starts_at for span in found[1:]),
        None,
    ]
    for span in found[:-1]:
        assert span.price is not None
        assert span.price.price == told(tenant, span.starts_at)


def test_a_history_begins_with_the_tenant() -> None:
    book = make_book(is_default=True)
    make_price(book=book, effective_at=NOW - 2 * HOUR)
    make_price(book=book, effective_at=NOW + HOUR, per_million=("4", "4", "4"))
    tenant = make_tenant()
    with as_operator():
        Tenant.objects.filter(pk=tenant.pk).update(created_at=NOW)
    with as_tenant(tenant.pk):
        found = price_history(tenant_id=tenant.pk, model="demo-model")

    assert [span.starts_at for span in found] == [NOW, NOW + HOUR]


def test_histories_of_many_models_ask_once_for_each_instant(
    fresh_database: Database,
) -> None:
    book = make_book(is_default=True)
    make_price(book=book, effective_at=NOW - HOUR)
    make_price(book=book, effective_at=NOW, per_million=("4", "4", "4"))
    tenant = make_tenant()
    one = history(tenant)
    with psycopg.connect(fresh_database.url_for("owner"), autocommit=True) as owner:
        owner.execute("CREATE SEQUENCE asked")
        owner.execute(
            "CREATE OR REPLACE FUNCTION pricing_own_book(tenant bigint, at timestamptz)"
            " RETURNS bigint LANGUAGE sql SECURITY DEFINER AS"
            f" $$ SELECT {book.pk}::bigint FROM nextval('asked') $$"
        )
        with as_tenant(tenant.pk):
            found = price_histories(
                tenant_id=tenant.pk, models=["demo-model", "b", "c", "d"]
            )
        asked = owner.execute("SELECT last_value FROM asked").fetchone()

    assert found == {"demo-model": one, "b": [], "c": [], "d": []}
    # Two versions, and the tenant's beginning.
    assert asked == (3,)


def test_nobody_reads_what_another_tenant_pays() -> None:
    book = make_book(is_default=True)
    make_price(book=book)
    tenant, other = make_tenant(), make_tenant()
    make_contract(tenant=other, base=book)

    with as_tenant(tenant.pk):
        assert own_prices(tenant_id=other.pk, at=NOW) == {}
        assert next_change(tenant_id=other.pk, at=LONG_AGO) is None
        with cursor() as session:
            # Not even when anything changed for it.
            for function, asked in (
                ("history", "demo-model"),
                ("histories", ["demo-model"]),
            ):
                session.execute(
                    f"SELECT * FROM pricing_own_{function}(%s, %s, 9)",
                    [other.pk, asked],
                )
                assert session.fetchall() == []
    with as_operator():
        assert own_prices(tenant_id=other.pk, at=NOW)
