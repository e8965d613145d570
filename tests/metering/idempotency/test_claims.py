"""A gateway's claims: between two processes, and when PostgreSQL does not answer."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import psycopg
import pytest

from kit.contracts import Admission, ClaimVerdict, KeyedRequest
from kit.errors import ServiceUnavailable
from metering.idempotency import claims as claiming
from metering.idempotency.claims import Claims
from metering.usage.models import Epoch
from tests.databases import Database
from tests.eventually import eventually
from tests.factories.usage import make_epoch
from tests.metering.idempotency.world import World, digest
from tests.metering.intake.metered import CALLER, Witness, admission, held
from tests.standins.tcp_proxy import Direction, TcpProxy

BODY = digest("body")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no slow machine decide a test."""
    monkeypatch.setattr(claiming, "PATIENCE_S", 10)


@pytest.fixture
def epochs(world: World) -> list[Epoch]:
    """Provide more epochs, for processes that start again."""
    return [make_epoch(started_at=world.now) for _ in range(4)]


@contextlib.asynccontextmanager
async def process(
    world: World, database: Database, name: str = "gateway-a", *, url: str = ""
) -> AsyncIterator[Claims]:
    """Run the claims of one gateway process."""
    made = Claims(
        url=url or database.url_for("gateway"),
        name=name,
        epoch_id=lambda: world.epoch.pk,
        is_away=lambda: False,
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def asked(world: World, *, tenant_id: int = 0) -> Admission:
    """Admit a request of the world's tenant, or of another one."""
    tenant_id = tenant_id or world.use.tenant_id
    return replace(admission(), caller=replace(CALLER, tenant_id=tenant_id))


def put_epoch(database: Database, world: World, state: str) -> None:
    """Open or close the epoch that the processes claim in."""
    with psycopg.connect(database.url_for("operator")) as reaper:
        reaper.execute(
            "UPDATE usage_epoch SET state = %s WHERE id = %s", [state, world.epoch.pk]
        )


def keyed(key: str) -> KeyedRequest:
    return KeyedRequest(digest(key), BODY)


async def test_of_two_processes_one_runs(
    world: World, epochs: list[Epoch], database: Database
) -> None:
    keys = [f"key {number}" for number in range(200)]
    async with (
        process(world, database) as one,
        process(world, database, "gateway-b") as other,
    ):

        async def race(expected: ClaimVerdict) -> None:
            asking = [
                each.claim(asked(world), keyed(key))
                for key in keys
                for each in (one, other, one)
            ]
            verdicts = await asyncio.gather(*asking)
            for number in range(len(keys)):
                assert Counter(verdicts[3 * number : 3 * number + 3]) == {
                    expected: 1,
                    ClaimVerdict.RUNNING: 2,
                }

        await race(ClaimVerdict.NEW)
        while epochs:
            # A new epoch each time: whatever ran in the one before has ended.
            put_epoch(database, world, "closed")
            world.epoch = epochs.pop()
            await race(ClaimVerdict.RETRY)


async def test_who_decides_about_a_key_holds_its_row(
    world: World, epochs: list[Epoch], database: Database
) -> None:
    names = ("gateway-a", "gateway-b")
    async with AsyncExitStack() as running:
        both = [
            await running.enter_async_context(process(world, database, name))
            for name in names
        ]
        await both[0].claim(asked(world), keyed("k"))
        put_epoch(database, world, "closed")
        world.epoch = epochs.pop()
        witness = Witness(database)
        with held(database, "SELECT FROM idempotency_claim FOR UPDATE"):
            tasks = [
                asyncio.create_task(each.claim(asked(world), keyed("k")))
                for each in both
            ]
            for name in names:
                await eventually(partial(witness.is_blocked, f"{name} claims"))
        verdicts = await asyncio.gather(*tasks)
        witness.close()
    assert set(verdicts) == {ClaimVerdict.RETRY, ClaimVerdict.RUNNING}


async def test_a_key_of_another_tenant_is_another_key(
    world: World, database: Database
) -> None:
    async with process(world, database) as claims:
        mine = await claims.claim(asked(world), keyed("k"))
        another = asked(world, tenant_id=world.use.tenant_id + 1_000_000)
        assert (mine, await claims.claim(another, keyed("k"))) == ("new", "new")


async def test_a_claim_that_is_late_is_refused_and_forgotten(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "PATIENCE_S", 0.2)
    async with process(world, database) as claims:
        await claims.claim(asked(world), keyed("k"))
        with held(database, "LOCK idempotency_claim IN ACCESS EXCLUSIVE MODE"):
            # Without patience that ends it would wait for a lock that is ours.
            with pytest.raises(ServiceUnavailable) as refused:
                await claims.claim(asked(world), keyed("other"))
            assert refused.value.headers["retry-after"] == "1"
        assert claims.to_forget == 1
        assert await claims.claim(asked(world), keyed("other")) == ClaimVerdict.NEW


async def test_who_leaves_while_its_claim_is_asked_for_is_forgotten(
    world: World, database: Database
) -> None:
    witness = Witness(database)
    async with process(world, database) as claims:
        with held(database, "LOCK idempotency_claim IN ACCESS EXCLUSIVE MODE"):
            leaving = asyncio.create_task(claims.claim(asked(world), keyed("k")))
            await eventually(lambda: witness.is_blocked("gateway-a claims"))
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        assert await claims.claim(asked(world), keyed("k")) == ClaimVerdict.NEW
    witness.close()


async def test_a_claim_whose_answer_got_lost_is_asked_for_again(
    world: World, database: Database
) -> None:
    async with (
        TcpProxy.before(database.url_for("gateway")) as proxy,
        process(world, database, url=proxy.url(database.url_for("gateway"))) as claims,
    ):
        await claims.claim(asked(world), keyed("k"))
        proxy.cut_after(0, Direction.TO_CLIENT)
        assert await claims.claim(asked(world), keyed("other")) == ClaimVerdict.NEW
        assert await claims.claim(asked(world), keyed("other")) == ClaimVerdict.RUNNING


async def test_a_connection_that_died_unnoticed_is_replaced(
    world: World, database: Database
) -> None:
    async with process(world, database, "gateway-z") as claims:
        await claims.claim(asked(world), keyed("k"))
        with psycopg.connect(database.server, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE application_name = 'gateway-z claims'"
            )
        assert await claims.claim(asked(world), keyed("k")) == ClaimVerdict.RUNNING


async def test_while_the_database_is_away_the_refusal_comes_at_once(
    world: World, database: Database
) -> None:
    async with process(world, database) as claims:
        claims.is_away = lambda: True
        with (
            held(database, "LOCK idempotency_claim IN ACCESS EXCLUSIVE MODE"),
            pytest.raises(ServiceUnavailable),
        ):
            await claims.claim(asked(world), keyed("k"))
        assert claims.to_forget == 0


async def test_a_process_whose_epoch_was_closed_claims_nothing(
    world: World, database: Database
) -> None:
    async with process(world, database) as claims:
        for state, expected in (("closed", "fenced"), ("open", ClaimVerdict.NEW)):
            put_epoch(database, world, state)
            verdict: str = "fenced"
            with contextlib.suppress(ServiceUnavailable):
                verdict = await claims.claim(asked(world), keyed("k"))
            assert verdict == expected


async def test_what_was_not_run_is_forgotten_before_the_next_is_asked(
    world: World, database: Database
) -> None:
    async with process(world, database) as claims:
        for _ in range(20):
            request = asked(world)
            assert await claims.claim(request, keyed("k")) == ClaimVerdict.NEW
            claims.forget(request, keyed("k"))
