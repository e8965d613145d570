"""Contracts: a tenant's own prices, for their time alone, unchangeable once signed."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from kit.errors import Conflict, InvalidRequest, ModelNotPriced
from kit.orm.roles import OPERATOR
from metering.pricing.assigning import assign_book
from metering.pricing.contracts import (
    Agreed,
    create_contract,
    end_contract,
    set_contract_prices,
    sign_contract,
    update_contract,
)
from metering.pricing.models import Contract, Price, PriceBook
from metering.pricing.selectors import book_of, price_in_force
from metering.pricing.services import draft_version
from tenants.models import AuditEntry, Tenant
from tests.factories.pricing import LONG_AGO, make_book, make_price
from tests.factories.tenants import make_tenant

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    """Provide a tenant whose default book lists one model."""
    make_price(book=make_book(currency="BHD", is_default=True), model="m")
    return make_tenant(currency="BHD")


def base() -> PriceBook:
    return PriceBook.objects.get(currency="BHD", is_default=True)


def drafted(
    tenant: Tenant,
    *prices: Agreed,
    off: str = "10",
    starts_at: dt.datetime = NOW + DAY,
    ends_at: dt.datetime | None = NOW + 10 * DAY,
) -> Contract:
    return create_contract(
        tenant=tenant,
        name="2027",
        base=base(),
        starts_at=starts_at,
        ends_at=ends_at,
        discount_percent=Decimal(off),
        prices=prices,
    )


def signed(tenant: Tenant, *prices: Agreed) -> Contract:
    return sign_contract(contract=drafted(tenant, *prices), now=NOW)


def input_picos(tenant: Tenant, at: dt.datetime, model: str = "m") -> int:
    return price_in_force(tenant=tenant, model=model, at=at).input_picos


def test_a_contract_holds_for_its_time_and_what_was_before_holds_after(
    tenant: Tenant,
) -> None:
    other = make_book(currency="BHD")
    make_price(book=other, model="m", per_million=("2", "2", "2"))
    assign_book(tenant=tenant, book=other, now=NOW)
    signed(tenant)

    prices = {
        NOW + DAY - TICK: 2_000_000,
        NOW + DAY: 2_700_000,
        NOW + 10 * DAY - TICK: 2_700_000,
        NOW + 10 * DAY: 2_000_000,
    }
    assert {at: input_picos(tenant, at) for at in prices} == prices
    assert input_picos(make_tenant(currency="BHD"), NOW + DAY) == 3_000_000


def test_a_draft_is_no_price(tenant: Tenant) -> None:
    drafted(tenant)
    assert input_picos(tenant, NOW + DAY) == 3_000_000


def test_a_new_version_of_the_base_is_the_contracts_at_the_same_instant(
    tenant: Tenant,
) -> None:
    """Also of one that is published ahead of the contract, not of one behind it."""
    signed(tenant)
    for days, quote in ((0.5, "4"), (5, "6"), (20, "8")):
        make_price(
            book=base(),
            model="m",
            per_million=(quote, quote, quote),
            effective_at=NOW + days * DAY,
        )

    assert input_picos(tenant, NOW + DAY) == 3_600_000
    assert input_picos(tenant, NOW + 5 * DAY - TICK) == 3_600_000
    assert input_picos(tenant, NOW + 5 * DAY) == 5_400_000
    assert input_picos(tenant, NOW + 20 * DAY) == 8_000_000
    book = Contract.objects.get().book
    assert book.versions.count() == 3
    assert set(book.versions.values_list("derived_from__book", flat=True)) == {
        base().pk
    }


def test_a_model_is_quoted_or_reduced_and_one_that_is_not_listed_added(
    tenant: Tenant,
) -> None:
    signed(
        tenant,
        Agreed("own", "1", "0.5", "2"),
        Agreed("m", discount_percent=Decimal("33.3333")),
    )

    own = price_in_force(tenant=tenant, model="own", at=NOW + DAY)
    assert (own.input_picos, own.cached_input_picos) == (1_000_000, 500_000)
    assert own.currency == "BHD"
    assert input_picos(tenant, NOW + DAY) == 2_000_001
    with pytest.raises(ModelNotPriced):
        price_in_force(tenant=tenant, model="own", at=NOW)


def test_two_contracts_never_hold_at_once(tenant: Tenant) -> None:
    signed(tenant)
    late = drafted(tenant, starts_at=NOW + 9 * DAY, ends_at=None)
    with pytest.raises(Conflict, match="another contract") as refused:
        sign_contract(contract=late, now=NOW)
    assert refused.value.param == "starts_at"
    assert not PriceBook.objects.filter(derived_for=late).exists()

    update_contract(contract=late, starts_at=NOW + 10 * DAY)
    sign_contract(contract=late, now=NOW)
    assert input_picos(tenant, NOW + 400 * DAY) == 2_700_000


def test_an_early_end_is_an_instant_ahead_and_frees_the_time(tenant: Tenant) -> None:
    contract = signed(tenant)
    with pytest.raises(Conflict, match="is over"):
        end_contract(contract=contract, now=NOW + 5 * DAY, ends_at=NOW + 4 * DAY)
    end_contract(contract=contract, now=NOW, ends_at=NOW + 5 * DAY)
    again = end_contract(contract=contract, now=NOW, ends_at=NOW + 7 * DAY)

    assert (again.state, again.until) == ("ended", NOW + 5 * DAY)
    assert input_picos(tenant, NOW + 5 * DAY - TICK) == 2_700_000
    assert input_picos(tenant, NOW + 5 * DAY) == 3_000_000
    next_one = drafted(tenant, off="20", starts_at=NOW + 5 * DAY)
    sign_contract(contract=next_one, now=NOW)
    assert input_picos(tenant, NOW + 5 * DAY) == 2_400_000


def test_an_end_can_be_moved_earlier_and_not_later(tenant: Tenant) -> None:
    contract = signed(tenant)
    for ends_at in (NOW + 9 * DAY, NOW + 5 * DAY, NOW + 7 * DAY):
        ended = end_contract(contract=contract, now=NOW, ends_at=ends_at)
    assert ended.until == NOW + 5 * DAY
    assert input_picos(tenant, NOW + 5 * DAY) == 3_000_000
    with pytest.raises(IntegrityError), transaction.atomic(OPERATOR):
        Contract.objects.filter(pk=contract.pk).update(ended_at=NOW + 6 * DAY)
    # When it has ended, it has.
    late = end_contract(contract=contract, now=NOW + 6 * DAY)
    assert late.until == NOW + 5 * DAY


def test_one_that_is_ended_before_it_begins_never_holds(tenant: Tenant) -> None:
    end_contract(contract=signed(tenant), now=NOW)
    assert book_of(tenant=tenant, at=NOW + 2 * DAY) == base()
    sign_contract(contract=drafted(tenant, off="20"), now=NOW)
    assert input_picos(tenant, NOW + DAY) == 2_400_000


def test_no_prices_are_made_for_time_that_a_contract_does_not_have(
    tenant: Tenant,
) -> None:
    """Neither of what was published ahead before it is signed, nor from its end on."""

    def publish(days: int) -> None:
        make_price(book=base(), model="m", effective_at=NOW + days * DAY)

    publish(10)
    contract = signed(tenant)
    assert contract.book.versions.count() == 1
    other = drafted(make_tenant(currency="BHD"), ends_at=NOW + 30 * DAY)
    sign_contract(contract=other, now=NOW)
    end_contract(contract=other, now=NOW, ends_at=NOW + 20 * DAY)
    publish(20)
    assert other.book.versions.count() == 2


def test_a_draft_that_ends_is_discarded(tenant: Tenant) -> None:
    contract = end_contract(contract=drafted(tenant), now=NOW)
    assert contract.state == "ended"
    with pytest.raises(Conflict, match="is ended"):
        sign_contract(contract=contract, now=NOW)
    with pytest.raises(Conflict, match="is ended"):
        update_contract(contract=contract, name="again")


def test_signing_twice_changes_nothing(tenant: Tenant) -> None:
    contract = signed(tenant)
    assert sign_contract(contract=contract, now=NOW + DAY).signed_at == NOW
    assert contract.book.versions.count() == 1


def test_what_is_signed_is_told_with_its_prices(tenant: Tenant) -> None:
    contract = signed(tenant, Agreed("m", "1", "1", "1"))
    told = AuditEntry.objects.filter(tenant_id=tenant.pk, action="sign").get()
    assert told.after["m"]["input_picos"] == 1_000_000
    assert told.object_id == str(contract.pk)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"starts_at": NOW - DAY}, "is over"),
        ({"starts_at": LONG_AGO - DAY}, "is over"),
        (
            {"prices": [Agreed("typo", discount_percent=Decimal(5))]},
            "no price for typo",
        ),
    ],
)
def test_what_cannot_hold_is_not_signed(
    tenant: Tenant, wrong: dict[str, object], message: str
) -> None:
    contract = drafted(tenant)
    prices = wrong.pop("prices", ())
    set_contract_prices(contract=contract, prices=prices)  # type: ignore[arg-type]
    update_contract(contract=contract, **wrong)
    with pytest.raises(Conflict, match=message):
        sign_contract(contract=contract, now=NOW)
    contract.refresh_from_db()
    assert contract.state == "draft"


def test_a_base_without_a_price_at_the_beginning_is_refused(tenant: Tenant) -> None:
    empty = make_book(currency="BHD")
    contract = create_contract(tenant=tenant, name="x", base=empty, starts_at=NOW + DAY)
    with pytest.raises(Conflict, match="no price in force"):
        sign_contract(contract=contract, now=NOW)


@pytest.mark.parametrize(
    "agreed",
    [
        Agreed("m"),
        Agreed("m", "1", "1"),
        Agreed("m", "1", "1", "1", Decimal(5)),
        Agreed("m", "1", "1", "0.0000001"),
        Agreed("m", discount_percent=Decimal("100.1")),
        Agreed("m", discount_percent=Decimal(-1)),
        Agreed("", "1", "1", "1"),
    ],
)
def test_terms_that_make_no_sense_are_refused(tenant: Tenant, agreed: Agreed) -> None:
    with pytest.raises(InvalidRequest):
        drafted(tenant, agreed)
    assert not Contract.objects.exists()


def test_a_percentage_or_a_currency_that_makes_no_sense_is_refused(
    tenant: Tenant,
) -> None:
    for off in ("-1", "100.0001", "1.00001"):
        with pytest.raises(InvalidRequest):
            drafted(tenant, off=off)
    with pytest.raises(InvalidRequest, match="pays in USD"):
        create_contract(
            tenant=make_tenant(), name="x", base=base(), starts_at=NOW + DAY
        )
    with pytest.raises(InvalidRequest, match="not after"):
        drafted(tenant, ends_at=NOW)


def test_a_name_has_room_for_what_follows_from_its_price(tenant: Tenant) -> None:
    """Or no later version of the base with a discount could be published."""
    with pytest.raises(InvalidRequest, match="at most 122"):
        drafted(tenant, Agreed("m" * 123, "1", "1", "1"))
    drafted(tenant, Agreed("m" * 122, "1", "1", "1"))
    drafted(tenant, Agreed("m" * 122 + "@batch", "1", "1", "1"))


def test_a_contracts_book_is_nobodys_else(tenant: Tenant) -> None:
    book = signed(tenant).book
    with pytest.raises(InvalidRequest, match="own book"):
        assign_book(tenant=tenant, book=book, now=NOW)
    with pytest.raises(Conflict, match="follow its base"):
        draft_version(book=book, effective_at=NOW + 2 * DAY)
    with pytest.raises(InvalidRequest, match="own book"):
        create_contract(tenant=tenant, name="x", base=book, starts_at=NOW + DAY)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: Contract.objects.filter(pk=row.pk).update(discount_percent=50),
        lambda row: Contract.objects.filter(pk=row.pk).update(signed_at=None),
        lambda row: row.prices.update(input_picos=0),
        lambda row: row.prices.all().delete(),
        lambda row: Price.objects.filter(version__book=row.book).update(input_picos=0),
        lambda row: row.delete(),
    ],
)
def test_database_keeps_what_was_signed(
    tenant: Tenant, change: Callable[[Contract], object]
) -> None:
    row = signed(tenant, Agreed("m", "1", "1", "1"))
    with pytest.raises(IntegrityError), transaction.atomic(OPERATOR):
        change(row)
    with pytest.raises(Conflict, match="is signed"):
        set_contract_prices(contract=row, prices=[])
    with pytest.raises(Conflict, match="is signed"):
        update_contract(contract=row, discount_percent=Decimal(50))
