"""Holds of real meters on leases of a real database."""

import asyncio
import time
from dataclasses import replace
from functools import partial

import psycopg
import pytest

from kit.contracts import BudgetShortError, TokenCounts
from kit.errors import ServiceUnavailable
from metering.intake import leases
from metering.intake.meter import IntakeMeter
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.broker_world import BrokerWorld, elapsed, stream

LONGER_THAN_A_TEST_S = 1_000.0


@pytest.fixture
def world(fresh_database: Database) -> BrokerWorld:
    """Provide a key of a thousand tokens a day."""
    return BrokerWorld.make(fresh_database, tokens=1_000)


async def test_a_request_holds_extends_and_settles(world: BrokerWorld) -> None:
    async with world.gateway("one") as made:
        assert await stream(world, made, prompt=20, tokens=300) == 300
        assert world.posted == 320
        await world.quiet()
        book = made.leases.book
        assert [lease.held for lease in book.leases.values()] == [0, 0, 0]
    assert world.leased == 0


async def test_a_void_request_leaves_nothing(world: BrokerWorld) -> None:
    async with world.gateway("one") as made:
        admission, _ = await world.hold(made, prompt=900)
        made.void(admission)
        admission, _ = await world.hold(made, prompt=900)
        made.void(admission)
        await world.quiet()
    assert world.posted == 0


async def test_the_exact_prompt_replaces_its_bound(world: BrokerWorld) -> None:
    async with world.gateway("one") as made:
        first, hold = await world.hold(made, prompt=900)
        assert hold.covers(TokenCounts(100, 0, 1))
        # What was bound for the prompt serves the next, and nobody waits.
        second, _ = await world.hold(made, prompt=700)
        world.settle(made, first, 100, 1)
        await world.settle(made, second, 700, 1)
        await eventually(lambda: world.posted == 802)


async def test_what_is_in_hand_is_held_without_a_wait(world: BrokerWorld) -> None:
    async with world.gateway("one") as made:
        first, _ = await world.hold(made, prompt=900)
        made.void(first)
        second, third = world.admit(made), world.admit(made)
        try_hold = partial(made.try_hold, places=world.chain, outputs=(8, 1))
        hold = try_hold(second, prompt_tokens=700)
        assert hold is not None
        assert not hold.is_tight
        assert hold.includes(TokenCounts(600, 100, 8))
        assert not hold.includes(TokenCounts(600, 101, 0))
        assert not hold.includes(TokenCounts(600, 0, 9))
        assert try_hold(third, prompt_tokens=900) is None
        made.void(third)
        await world.settle(made, second, 700, 8)
        await world.quiet()
        assert [lease.held for lease in made.leases.book.leases.values()] == [0, 0, 0]
    assert (world.posted, world.leased) == (708, 0)


async def test_what_is_not_known_is_asked_for_and_waited_for(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        admission = world.admit(made)
        try_hold = partial(
            made.try_hold, admission, world.chain, prompt_tokens=5, outputs=(1,)
        )
        assert try_hold() is None
        assert not made.leases.book.claims
        await eventually(lambda: len(made.leases.windows) == len(world.chain))
        # Windows are known now, but nothing of them is leased yet.
        assert try_hold() is None
        assert len(made.leases.book.claims) == 1
        hold = await made.hold(
            admission, world.chain, prompt_tokens=5, outputs=(1,), patience_s=5
        )
        assert hold.covers(TokenCounts(5, 0, 1))
        await world.settle(made, admission, 5, 1)
        await eventually(lambda: world.posted == 6)


async def test_who_waits_is_served_when_another_settles(world: BrokerWorld) -> None:
    async with world.gateway("one") as made:
        first, _ = await world.hold(made, prompt=990, outputs=(1,))
        waiting = asyncio.create_task(world.hold(made, prompt=100, patience_s=60))
        await eventually(lambda: made.leases.book.wishes)
        await world.settle(made, first, 10, 1)
        second, _ = await waiting
        made.void(second)


async def test_what_is_used_up_is_told_at_once_what_is_held_is_waited_for(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        first, _ = await world.hold(made, prompt=990, outputs=(1,))
        began = time.monotonic()
        with pytest.raises(BudgetShortError) as late:
            await world.hold(made, prompt=100, patience_s=0.4)
        assert elapsed(began) > 0.3
        assert (late.value.is_spent, late.value.place) == (False, world.quota)
        await world.settle(made, first, 990, 1)
        with pytest.raises(BudgetShortError) as spent:
            await world.hold(made, prompt=100, patience_s=LONGER_THAN_A_TEST_S)
        assert (spent.value.is_spent, spent.value.place) == (True, world.quota)
        # To the last token.
        last, _ = await world.hold(made, prompt=8)
        await world.settle(made, last, 8, 1)
    assert world.posted == 1_000


async def test_patience_ends_while_the_database_takes_its_time(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        first, _ = await world.hold(made, prompt=10)
        with psycopg.connect(world.database.url_for("owner")) as owner:
            owner.execute("SELECT FROM budgets_window FOR UPDATE")
            # With other patience it would wait for a row that is locked here.
            with pytest.raises(BudgetShortError) as late:
                await world.hold(made, prompt=700, patience_s=0.3)
            assert not late.value.is_spent
        made.void(first)


async def test_what_another_process_keeps_idle_is_served_to_who_wishes_it(
    world: BrokerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself a process would keep it for longer than this test waits.
    monkeypatch.setattr(leases, "IDLE_US", 10**9)
    async with world.gateway("one") as one, world.gateway("two") as two:
        for _ in range(5):
            first, _ = await world.hold(one, prompt=900)
            one.void(first)
            second, _ = await world.hold(two, prompt=900, patience_s=30)
            two.void(second)


async def test_a_stream_of_another_process_gives_up_what_it_holds_ahead(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as one, world.gateway("two") as two:
        first, hold = await world.hold(one, prompt=900)
        assert hold.covers(TokenCounts(900, 0, 1))
        second, _ = await world.hold(two, prompt=90, patience_s=5)
        assert not hold.covers(TokenCounts(900, 0, 20))
        one.void(first)
        two.void(second)


async def test_two_processes_that_wait_for_each_others_rest_are_both_served(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as one, world.gateway("two") as two:
        mine, yours = await asyncio.gather(
            world.hold(one, prompt=500, outputs=(1,)),
            world.hold(two, prompt=400, outputs=(1,)),
        )
        one.void(mine[0])
        two.void(yours[0])

        async def one_after_the_other(made: IntakeMeter) -> None:
            admission, _ = await world.hold(made, prompt=800, patience_s=10)
            made.void(admission)

        await asyncio.gather(one_after_the_other(one), one_after_the_other(two))


async def test_a_lowered_limit_holds_for_what_is_leased_already(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        first, _ = await world.hold(made, prompt=600)
        await world.settle(made, first, 100, 1)
        world.set_quota(150)
        await world.quiet()
        with pytest.raises(BudgetShortError) as spent:
            await world.hold(made, prompt=60)
        assert spent.value.is_spent


async def test_an_epoch_that_is_closed_under_holds_goes_on_in_the_next(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        first, hold = await world.hold(made, prompt=100)
        before = made.committer.epoch.id
        with psycopg.connect(world.database.url_for("owner")) as owner:
            owner.execute("UPDATE usage_epoch SET state = 'closed'")
        await eventually(lambda: made.committer.epoch.id != before)
        for output in range(1, 400, 7):
            counts = TokenCounts(100, 0, output)
            assert hold.covers(counts) or await hold.extend(counts)
        await world.settle(made, first, 100, 400)
        assert world.posted == 500
        await world.quiet()
        second, _ = await world.hold(made, prompt=499, outputs=(1,))
        await world.settle(made, second, 499, 1)
    assert world.posted == 1_000


async def test_the_change_of_a_day_is_not_felt(world: BrokerWorld) -> None:
    [(midnight,)] = world.rows(
        "SELECT ends_at FROM usage_billingday"
        " WHERE starts_at <= clock_timestamp() AND ends_at > clock_timestamp()"
    )
    async with world.gateway("one") as made:
        real, ahead_us = made.clock.now_us, [0]

        def now_us() -> int:
            return real() + ahead_us[0]

        made.leases.now_us = now_us
        made.clock.now_us = now_us  # type: ignore[method-assign]
        old, _ = await world.hold(made, prompt=10)
        # Well into the time in which the next window is opened.
        ahead_us[0] = round(midnight.timestamp() * 1_000_000) - real() - 9_000_000
        opened = "SELECT count(*) FROM budgets_window WHERE kind = 'quota'"
        await eventually(lambda: world.rows(opened) == [(2,)])
        ahead_us[0] += 9_500_000
        with psycopg.connect(world.database.url_for("owner")) as owner:
            # Nothing is to be opened any more.
            owner.execute("LOCK TABLE usage_epoch IN ROW EXCLUSIVE MODE")
            held = [await world.hold(made, prompt=10) for _ in range(20)]
        for admission, _ in held:
            world.settle(made, admission, 10, 1)
        # The one before still counts in its own day.
        await world.settle(made, old, 10, 5)
    posted = world.rows(
        "SELECT posted FROM budgets_window WHERE kind = 'quota' ORDER BY starts_at"
    )
    assert posted == [(15,), (220,)]


async def test_nobody_waits_for_a_database_that_is_away(world: BrokerWorld) -> None:
    async with world.gateway("one") as made:
        first, hold = await world.hold(made, prompt=500, outputs=(1,))
        second, _ = await world.hold(made, prompt=490, outputs=(1,))
        admitting = asyncio.create_task(world.hold(made, prompt=900, patience_s=30))
        extending = asyncio.create_task(hold.extend(TokenCounts(500, 0, 99)))
        await eventually(lambda: len(made.leases.book.wishes) == 2)
        made.leases.give_up()
        with pytest.raises(ServiceUnavailable):
            await admitting
        # What runs has longer patience.
        assert not extending.done()
        made.void(second)
        assert await asyncio.wait_for(extending, 5)
        made.void(first)


async def test_connections_that_break_are_mended_and_no_lease_is_left(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        streams = [
            asyncio.create_task(stream(world, made, prompt=5, tokens=60))
            for _ in range(8)
        ]
        for _ in range(5):
            await asyncio.sleep(0.05)
            with psycopg.connect(world.database.server, autocommit=True) as server:
                server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'tollgate_gateway' AND datname = %s",
                    [world.database.name],
                )
        assert await asyncio.gather(*streams) == [60] * 8
        await eventually(lambda: world.posted == 8 * 65)
        await world.quiet()


async def test_a_tiny_budget_is_used_to_the_last_token_and_never_beyond(
    world: BrokerWorld,
) -> None:
    sent = 0

    async def client(made: IntakeMeter) -> int:
        try:
            return 2 + await stream(world, made, prompt=2, tokens=30)
        except BudgetShortError:
            return 0

    async with world.gateway("one") as one, world.gateway("two") as two:
        clients = [client(one if n % 2 else two) for n in range(200)]
        sent = sum(await asyncio.gather(*clients))
        assert world.posted <= 1_000
        await world.quiet()
        # Nearly all of it: less than a prompt's bound and one token is left.
        assert world.posted >= 1_000 - 8
        late = await asyncio.gather(
            *(world.hold(one, prompt=7) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(each, BudgetShortError) for each in late)
        assert all(each.is_spent for each in late if isinstance(each, BudgetShortError))
    assert 0 <= sent - world.posted <= 2 * 200
    assert world.leased == 0


async def test_who_counts_towards_no_hard_limit_waits_for_nothing(
    world: BrokerWorld,
) -> None:
    async with world.gateway("one") as made:
        admission = world.admit(made)
        soft = [replace(each, is_hard=False) for each in world.chain]
        hold = await made.hold(
            admission, soft, prompt_tokens=10**9, outputs=(1,), patience_s=0
        )
        assert hold.covers(TokenCounts(10**9, 0, 10**9))
        # Its windows are opened all the same, for what they warn of.
        opened = "SELECT count(*) FROM budgets_window"
        await eventually(lambda: world.rows(opened) == [(3,)])
        await world.settle(made, admission, 7, 7)
    assert world.posted == 14
