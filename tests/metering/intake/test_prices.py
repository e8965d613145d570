"""The prices in force: by instant, by book, swapped at once, news within a second."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import psycopg
import pytest
from django.db import connections
from psycopg import AsyncConnection

from kit.contracts import Caller, LinearPrice, Surface
from kit.errors import ModelNotPriced
from kit.orm.roles import as_operator
from kit.postgres import connect, follow
from metering.intake import prices
from metering.intake.prices import _VERSIONS, CHANNEL, POLL_S, PriceList
from metering.pricing.assigning import assign_book
from metering.pricing.contracts import end_contract
from metering.pricing.models import PriceBook
from metering.pricing.selectors import price_in_force
from metering.pricing.services import draft_version, set_price
from tenants.models import Tenant
from tests.databases import Database
from tests.eventually import eventually
from tests.factories.pricing import (
    make_assignment,
    make_book,
    make_contract,
    make_price,
)
from tests.factories.tenants import make_tenant
from tests.metering.intake.metered import CALLER, Witness, meter, started

MODEL = "demo-model"
BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
# Of today: what went out of force long ago is not loaded.
CHANGE = dt.datetime.now(dt.UTC).replace(microsecond=123_457)
UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NEVER_POLLS_S = 3600.0
MICROSECOND = dt.timedelta(microseconds=1)


def us(instant: dt.datetime) -> int:
    return (instant - UNIX) // MICROSECOND


@dataclass(slots=True)
class World:
    """A default book that changes its price, and a book for a tenant of its own."""

    tenant: Tenant
    default: PriceBook
    first: LinearPrice
    second: LinearPrice
    own: PriceBook
    own_price: LinearPrice
    listener: PriceList

    def find(
        self,
        at: dt.datetime,
        *,
        tenant_id: int | None = None,
        currency: str = "USD",
        model: str = MODEL,
    ) -> LinearPrice | None:
        """Look up what a tenant would pay."""
        return self.listener.find(
            tenant_id=self.tenant.pk if tenant_id is None else tenant_id,
            currency=currency,
            model=model,
            at_us=us(at),
        )


@pytest.fixture
def world(database: Database) -> World:
    default, own = make_book(is_default=True), make_book()
    return World(
        tenant=make_tenant(),
        default=default,
        first=make_price(book=default, effective_at=BEGIN),
        second=make_price(
            book=default, effective_at=CHANGE, per_million=("4", "0.4", "20")
        ),
        own=own,
        own_price=make_price(
            book=own, effective_at=BEGIN, per_million=("1", "0.1", "5")
        ),
        listener=PriceList(),
    )


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    made = await connect(database.url_for("gateway"), name="prices")
    yield made
    await made.close()


@pytest.fixture
async def following(world: World, database: Database) -> AsyncIterator[World]:
    """Provide a price list that follows announcements and never polls."""
    task = asyncio.create_task(
        follow(
            database.url_for("gateway"),
            name="prices",
            channel=CHANNEL,
            refresh=world.listener.reload,
            poll_s=NEVER_POLLS_S,
        )
    )
    await eventually(lambda: world.listener.is_loaded)
    yield world
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def as_an_operator(call: Callable[[], object]) -> None:
    """Call services as another process would: in a thread, with its own connection."""

    def work() -> None:
        try:
            with as_operator():
                call()
        finally:
            connections.close_all()

    await asyncio.to_thread(work)


async def test_price_is_the_one_in_force_at_the_instant(
    world: World, connection: AsyncConnection
) -> None:
    await world.listener.reload(connection)

    assert world.find(BEGIN - MICROSECOND) is None
    assert world.find(BEGIN) == world.first
    assert world.find(CHANGE - MICROSECOND) == world.first
    assert world.find(CHANGE) == world.second
    assert world.find(CHANGE + dt.timedelta(days=3650)) == world.second
    assert world.first.input_picos == 3_000_000
    assert world.find(CHANGE, model="another-model") is None


async def test_what_is_long_out_of_force_is_left_where_it_is(
    world: World, connection: AsyncConnection
) -> None:
    """Neither a version that another one followed, nor a contract that has ended."""
    week = dt.timedelta(days=7)

    def followed() -> None:
        book = make_book(currency="EUR", is_default=True)
        for begins in (CHANGE - 3 * week, CHANGE - week):
            make_price(book=book, model=MODEL, effective_at=begins)
        make_contract(
            tenant=make_tenant(currency="EUR"),
            base=book,
            starts_at=CHANGE - 2 * week,
            ends_at=CHANGE - week,
        )

    await as_an_operator(followed)
    await world.listener.reload(connection)

    found = partial(world.find, currency="EUR", tenant_id=0)
    assert found(CHANGE - week) == found(CHANGE) is not None
    assert found(CHANGE - week - MICROSECOND) is None
    async with connection.cursor() as cursor:
        await cursor.execute(_VERSIONS)
        kept = await cursor.fetchall()
    # The two of the default book, the tenant's own and the one in force of the new one.
    assert len(kept) == 4


async def test_nothing_is_priced_before_the_first_reload(world: World) -> None:
    assert not world.listener.is_loaded
    assert world.find(CHANGE) is None


async def test_assigned_book_goes_before_the_default(
    world: World, connection: AsyncConnection
) -> None:
    await as_an_operator(partial(make_assignment, tenant=world.tenant, book=world.own))
    await world.listener.reload(connection)

    assert world.find(CHANGE) == world.own_price
    assert world.find(CHANGE, tenant_id=world.tenant.pk + 1) == world.second


async def test_assignment_holds_from_its_instant_until_its_end(
    world: World, connection: AsyncConnection
) -> None:
    """To the microsecond, and the services say the same."""
    begins, ends = CHANGE + MICROSECOND, CHANGE + dt.timedelta(days=30)
    await as_an_operator(
        partial(
            assign_book,
            tenant=world.tenant,
            book=world.own,
            now=BEGIN,
            starts_at=begins,
            ends_at=ends,
        )
    )
    await world.listener.reload(connection)

    told = {
        begins - MICROSECOND: world.second,
        begins: world.own_price,
        ends - MICROSECOND: world.own_price,
        ends: world.second,
    }
    assert {at: world.find(at) for at in told} == told

    def by_the_services() -> None:
        for at, price in told.items():
            known = price_in_force(tenant=world.tenant, model=MODEL, at=at)
            assert known == price

    await as_an_operator(by_the_services)


async def test_contract_goes_before_what_is_assigned(
    world: World, connection: AsyncConnection
) -> None:
    """For its time alone, and one that never began at no time."""
    day = dt.timedelta(days=1)

    def agree() -> None:
        make_assignment(tenant=world.tenant, book=world.own)
        make_contract(
            tenant=world.tenant,
            base=world.default,
            starts_at=CHANGE,
            ends_at=CHANGE + day,
        )
        never = make_contract(
            tenant=world.tenant, base=world.default, starts_at=CHANGE + 3 * day
        )
        end_contract(contract=never, now=CHANGE, ends_at=CHANGE + 2 * day)

    await as_an_operator(agree)
    await world.listener.reload(connection)

    for at in (CHANGE - MICROSECOND, CHANGE + day, CHANGE + 4 * day):
        assert world.find(at) == world.own_price
    agreed = world.find(CHANGE)
    assert agreed is not None
    assert (agreed.input_picos, agreed.output_picos) == (2_000_000, 10_000_000)

    def by_the_services() -> None:
        assert price_in_force(tenant=world.tenant, model=MODEL, at=CHANGE) == agreed

    await as_an_operator(by_the_services)


async def test_assigned_book_without_a_price_does_not_fall_back(
    world: World, connection: AsyncConnection
) -> None:
    def assign_an_empty_one() -> None:
        make_assignment(tenant=world.tenant, book=make_book())

    await as_an_operator(assign_an_empty_one)
    await world.listener.reload(connection)

    assert world.find(CHANGE) is None


async def test_other_currency_has_no_price(
    world: World, connection: AsyncConnection
) -> None:
    """Neither by the default book nor by an assigned one."""
    await world.listener.reload(connection)
    assert world.find(CHANGE, currency="EUR") is None

    await as_an_operator(partial(make_assignment, tenant=world.tenant, book=world.own))
    await world.listener.reload(connection)
    assert world.find(CHANGE, currency="EUR") is None


async def test_draft_is_no_price(world: World, connection: AsyncConnection) -> None:
    def draft() -> None:
        version = draft_version(
            book=world.default, effective_at=CHANGE + dt.timedelta(days=1)
        )
        set_price(
            version=version,
            model=MODEL,
            input_per_million="99",
            cached_input_per_million="99",
            output_per_million="99",
        )

    await as_an_operator(draft)
    await world.listener.reload(connection)

    assert world.find(CHANGE + dt.timedelta(days=2)) == world.second


async def test_published_price_is_known_by_its_announcement(following: World) -> None:
    later = CHANGE + dt.timedelta(days=30)
    publish = partial(
        make_price,
        book=following.default,
        effective_at=later,
        per_million=("5", "0.5", "25"),
    )
    await as_an_operator(publish)

    def is_known() -> bool:
        price = following.find(later)
        return price is not None and price.input_picos == 5_000_000

    # Long before they are looked for again.
    await eventually(is_known, seconds=POLL_S / 2)
    # Loaded ahead, in force from its own instant on.
    assert following.find(later - MICROSECOND) == following.second


async def test_assignment_is_known_by_its_announcement(following: World) -> None:
    assign = partial(make_assignment, tenant=following.tenant, book=following.own)
    await as_an_operator(assign)

    await eventually(
        lambda: following.find(CHANGE) == following.own_price, seconds=POLL_S / 2
    )


async def test_reload_is_of_one_moment_and_swaps_at_once(
    world: World, connection: AsyncConnection, database: Database
) -> None:
    """A change between two of the reload's statements is seen whole, or not at all."""
    await world.listener.reload(connection)
    # Something new, or no price would be read.
    await as_an_operator(make_price)
    witness = Witness(database)
    with psycopg.connect(database.url_for("operator")) as publisher:
        publisher.execute(
            "INSERT INTO pricing_pricebookassignment (tenant_id, book_id, starts_at)"
            " VALUES (%s, %s, '2020-01-01Z')",
            [world.tenant.pk, _unseen_book(publisher)],
        )
        with psycopg.connect(database.url_for("owner")) as owner:
            owner.execute("LOCK TABLE pricing_price IN ACCESS EXCLUSIVE MODE")
            reloading = asyncio.create_task(world.listener.reload(connection))
            await eventually(lambda: witness.is_blocked("prices"))
            publisher.commit()
            assert world.find(CHANGE) == world.second
            owner.rollback()
    await reloading
    witness.close()

    assert world.find(CHANGE) == world.second
    await world.listener.reload(connection)
    assert world.find(CHANGE) is None


async def test_of_what_is_known_nothing_is_read_again(
    world: World, connection: AsyncConnection, database: Database
) -> None:
    """Who pays by what changes often, and a contract's prices are a few of all."""
    await world.listener.reload(connection)
    await as_an_operator(partial(make_assignment, tenant=world.tenant, book=world.own))
    with psycopg.connect(database.url_for("owner")) as owner:
        # Nobody reads a price while this is held.
        owner.execute("LOCK TABLE pricing_price IN ACCESS EXCLUSIVE MODE")
        await asyncio.wait_for(world.listener.reload(connection), 10)
        owner.rollback()
    assert world.find(CHANGE) == world.own_price

    known = world.find(CHANGE, tenant_id=0)
    sign = partial(
        make_contract, tenant=world.tenant, base=world.default, starts_at=CHANGE
    )
    await as_an_operator(sign)
    await world.listener.reload(connection)

    agreed = world.find(CHANGE)
    assert agreed is not None
    assert agreed.input_picos == 2_000_000
    assert world.find(CHANGE, tenant_id=0) is known


async def test_requests_go_on_while_prices_are_read(
    world: World, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come at once, they are taken in by slices."""
    versions = 12
    for number in range(1, versions + 1):
        begins = CHANGE + number * dt.timedelta(days=1)
        await as_an_operator(
            partial(make_price, book=world.default, effective_at=begins)
        )
    monkeypatch.setattr(prices, "SLICE_ROWS", 2)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await world.listener.reload(connection)
    counting.cancel()

    assert world.find(CHANGE + versions * dt.timedelta(days=1)) is not None
    # Fifteen versions and their prices, two at a time.
    assert turns >= 15


def _unseen_book(publisher: psycopg.Connection) -> int:
    row = publisher.execute(
        "INSERT INTO pricing_pricebook (name, currency, is_default) VALUES"
        " ('unseen', 'USD', false) RETURNING id"
    ).fetchone()
    if row is None:
        raise AssertionError("no book was made")
    return int(row[0])


async def test_failed_reload_keeps_what_was_known(
    world: World, connection: AsyncConnection
) -> None:
    await world.listener.reload(connection)
    await connection.close()
    with pytest.raises(psycopg.OperationalError):
        await world.listener.reload(connection)

    assert world.find(CHANGE) == world.second


async def test_admission_takes_the_price_in_force_or_none(
    world: World, connection: AsyncConnection, database: Database
) -> None:
    made = meter(database.url_for("gateway"))
    made.prices = world.listener
    await made.prices.reload(connection)
    caller = Caller(world.tenant.pk, 1, 1, "USD")
    async with started(made):
        admission = made.admit(
            caller, model=MODEL, surface=Surface.COMPLETIONS, streamed=False
        )
        assert admission.price == made.price(caller, MODEL) == world.second
        made.void(admission)

        for refused, model in ((caller, "unpriced"), (CALLER, "unpriced")):
            with pytest.raises(ModelNotPriced):
                made.admit(
                    refused, model=model, surface=Surface.COMPLETIONS, streamed=False
                )
        assert (made.journal.admitted, made.open_requests) == (1, 0)
