"""A draft is replayed over a month: per tenant, by the same rating, nothing made up."""

import datetime as dt
import random
from collections.abc import Sequence

import pytest

from kit.contracts import LinearPrice, TokenClass, TokenCounts
from metering.pricing.models import Price, PriceBookVersion
from metering.pricing.previewing import (
    Month,
    TenantEffect,
    effects,
    last_month,
    month_of,
    payers,
    total,
)
from metering.pricing.rating import class_charges
from metering.pricing.selectors import price_in_force
from metering.pricing.services import draft_version, publish_version, set_price
from metering.usage.models import DayRollup
from tenants.models import Tenant
from tests.factories.pricing import (
    make_assignment,
    make_book,
    make_contract,
    make_price,
)
from tests.factories.tenants import make_tenant

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
BEGINS = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
OCTOBER = month_of(dt.date(2026, 10, 31))


def used(
    tenant: Tenant,
    price: LinearPrice,
    counts: TokenCounts,
    *,
    date: dt.date = dt.date(2026, 10, 3),
) -> None:
    """Roll up what a tenant used on a day."""
    quantities = {
        TokenClass.REQUESTS: 1,
        TokenClass.INPUT: counts.input_tokens,
        TokenClass.CACHED_INPUT: counts.cached_input_tokens,
        TokenClass.OUTPUT: counts.output_tokens,
    }
    charges = class_charges(price, counts)
    DayRollup.objects.bulk_create(
        DayRollup(
            tenant_id=tenant.pk,
            date=date,
            project_id=1,
            api_key_id=1,
            price_id=price.id,
            token_class=token_class,
            quantity=quantity,
            charge_picos=charges.get(token_class, 0),
        )
        for token_class, quantity in quantities.items()
    )


@pytest.fixture
def first(operator_db: None) -> LinearPrice:
    """Provide the price of the default book in yen."""
    return make_price(
        book=make_book(currency="JPY", is_default=True),
        model="m",
        per_million=("400", "40", "1200"),
    )


@pytest.fixture
def draft(first: LinearPrice) -> PriceBookVersion:
    """Provide a draft of that book: everything costs half as much again."""
    version = draft_version(
        book=Price.objects.get(pk=first.id).version.book, effective_at=BEGINS
    )
    set_price(
        version=version,
        model="m",
        input_per_million="600",
        cached_input_per_million="60",
        output_per_million="1800",
    )
    return version


def yen() -> Tenant:
    return make_tenant(currency="JPY")


def previewed(
    version: PriceBookVersion, month: Month = OCTOBER
) -> Sequence[TenantEffect]:
    tenants = list(payers(version=version, month=month).order_by("pk"))
    return effects(version=version, month=month, tenants=tenants)


def test_a_month_is_replayed_at_the_new_price(
    first: LinearPrice, draft: PriceBookVersion
) -> None:
    tenant = yen()
    used(tenant, first, TokenCounts(1000, 500, 10))
    for outside in (dt.date(2026, 9, 30), dt.date(2026, 11, 1)):
        used(tenant, first, TokenCounts(7, 7, 7), date=outside)

    (effect,) = previewed(draft)

    (model,) = effect.models
    assert (model.model, model.requests) == ("m", 1)
    assert model.counts == TokenCounts(1000, 500, 10)
    assert effect.charged_picos == 1000 * 400_000_000 + 500 * 40_000_000 + 12 * 10**9
    assert effect.difference_picos * 2 == effect.charged_picos
    assert total(version=draft, month=OCTOBER).difference_picos == (
        effect.difference_picos
    )


def test_those_who_would_pay_by_the_version_are_replayed_and_nobody_else(
    first: LinearPrice, draft: PriceBookVersion
) -> None:
    usual, elsewhere, agreed, idle = yen(), yen(), yen(), yen()
    make_assignment(tenant=elsewhere, book=make_book(currency="JPY"))
    make_contract(tenant=agreed, base=draft.book, percent="50")
    for tenant in (usual, elsewhere, agreed):
        used(tenant, first, TokenCounts(input_tokens=100))
    other = make_price(book=make_book(currency="JPY"), model="m")
    by_another = yen()
    make_contract(tenant=by_another, base=Price.objects.get(pk=other.id).version.book)
    used(by_another, other, TokenCounts(input_tokens=100))
    euros = make_price(currency="EUR")
    used(make_tenant(currency="EUR"), euros, TokenCounts(input_tokens=100))

    found = {each.tenant: each.preview_picos for each in previewed(draft)}

    assert found == {usual: 60_000_000_000, agreed: 30_000_000_000}
    assert idle not in found
    assert total(version=draft, month=OCTOBER).tenants == 2


def test_a_used_model_without_a_price_is_named_and_not_free(
    first: LinearPrice, draft: PriceBookVersion
) -> None:
    tenant = yen()
    used(tenant, first, TokenCounts(input_tokens=100))
    gone = make_price(book=make_book(currency="JPY"), model="gone")
    used(tenant, gone, TokenCounts(input_tokens=100))

    (effect,) = previewed(draft)

    assert effect.unpriced == ["gone"]
    assert [each.preview_picos for each in effect.models] == [None, 60_000_000_000]
    assert effect.charged_picos == 40_000_000_000
    came_to = total(version=draft, month=OCTOBER)
    assert came_to.unpriced == {"gone": 1}
    assert came_to.charged_picos == 40_000_000_000


@pytest.mark.parametrize("seed", range(3))
def test_what_is_previewed_is_what_is_charged(
    first: LinearPrice, draft: PriceBookVersion, seed: int
) -> None:
    """Publish it, and rate the same use by the prices that are then in force."""
    chance = random.Random(seed)
    tenants = [yen() for _ in range(4)]
    make_contract(tenant=tenants[0], base=draft.book, percent="12.3457")
    make_contract(tenant=tenants[1], base=draft.book, percent="99.9999")
    sums: dict[Tenant, TokenCounts] = {}
    for tenant in tenants:
        counts = TokenCounts(*(chance.randrange(10**9) for _ in range(3)))
        used(tenant, first, counts)
        sums[tenant] = counts

    before = {each.tenant: each.preview_picos for each in previewed(draft)}
    publish_version(version=draft, now=NOW)

    assert before == {
        tenant: sum(
            class_charges(
                price_in_force(tenant=tenant, model="m", at=BEGINS), counts
            ).values()
        )
        for tenant, counts in sums.items()
    }


def test_last_month_is_the_one_before_this_by_utc() -> None:
    new_year = dt.datetime(2027, 1, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert last_month(now=new_year).name == "2026-11"
    assert last_month(now=NOW) == OCTOBER
    assert (OCTOBER.first_date, OCTOBER.end_date) == (
        dt.date(2026, 10, 1),
        dt.date(2026, 11, 1),
    )
    assert month_of(dt.date(2026, 12, 31)).end_date == dt.date(2027, 1, 1)
