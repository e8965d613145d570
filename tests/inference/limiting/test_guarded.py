"""A store that freezes, dies, forgets or cannot write is not felt by those who ask."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inference.limiting import guarded as guarded_module
from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from inference.limiting.connection import StoreAwayError
from inference.limiting.guarded import FAILURES_MAX, PROBES_MIN, GuardedLimiter
from inference.limiting.limiter import Charge, RateLimiter, Unit
from inference.limiting.memory import MemoryLimiter
from inference.limiting.opening import open_limiter
from inference.limiting.valkey import GREETING, ValkeyLimiter
from tests.eventually import eventually
from tests.inference.limiting.delay import distant
from tests.inference.limiting.rules import HOUR_US, new_id, requests, slot, tokens
from tests.inference.limiting.store import Store

SLOTS = "tg:rl:{t1}:slots:0"
# Longer than the default, for a machine that is busy with other tests.
DEADLINE_S = 0.1
ANYTHING = (requests(10**6, name="anything"),)


@asynccontextmanager
async def guarded(
    store: Store, *, processes: int = 4, deadline_s: float = DEADLINE_S
) -> AsyncIterator[GuardedLimiter]:
    client = StoreClient(
        parse_address(store.url), deadline_s=deadline_s, greeting=GREETING
    )
    await client.connected(seconds_max=10)
    limiter = GuardedLimiter(ValkeyLimiter(client), processes=lambda: processes)
    await limiter.begin()
    yield limiter
    await limiter.close()


async def by_share(limiter: GuardedLimiter) -> None:
    """Ask until nobody waits for the store any more."""
    while not limiter.metrics.is_open:
        await limiter.take(new_id(), ANYTHING)


async def by_store(limiter: GuardedLimiter) -> None:
    await eventually(lambda: not limiter.metrics.is_open, seconds=20)


async def allowed(limiter: RateLimiter, *charges: Charge, times: int) -> int:
    verdicts = [await limiter.take(new_id(), charges) for _ in range(times)]
    return sum(verdict.allowed for verdict in verdicts)


async def test_while_it_is_frozen_everybody_gets_the_share_at_once(
    store: Store,
) -> None:
    async with guarded(store) as limiter:
        charge = requests(40, window_us=HOUR_US)
        assert await allowed(limiter, charge, times=15) == 15
        store.freeze()
        try:
            began = time.monotonic()
            await by_share(limiter)
            # A few waited for their deadline, and those were answered all the same.
            assert limiter.metrics.failures == FAILURES_MAX
            assert time.monotonic() - began < FAILURES_MAX * (DEADLINE_S * 2 + 0.1)
            assert await allowed(limiter, charge, times=100) == 10
            times = []
            for _ in range(1000):
                began = time.perf_counter()
                await limiter.take(new_id(), (charge,))
                times.append(time.perf_counter() - began)
            assert sorted(times)[990] < 0.005
        finally:
            store.thaw()
        await by_store(limiter)
        assert await allowed(limiter, charge, times=100) == 25


async def test_what_was_decided_here_meanwhile_costs_nothing_there(
    store: Store,
) -> None:
    """Takes that lay in the frozen store's socket are given back when it goes on."""
    async with guarded(store) as limiter:
        charges = (requests(50, window_us=HOUR_US), slot(50))
        store.freeze()
        try:
            ids = [new_id() for _ in range(10)]
            verdicts = await asyncio.gather(*(limiter.take(i, charges) for i in ids))
            assert all(verdict.allowed for verdict in verdicts)
            for request_id in ids:
                limiter.settle(request_id, charges, {})
        finally:
            store.thaw()
        await by_store(limiter)
        await eventually(lambda: not store.admin.exists(SLOTS))
        assert await allowed(limiter, *charges, times=60) == 50


async def test_killed_and_started_again(tmp_path: Path) -> None:
    with Store(tmp_path) as own:
        async with guarded(own) as limiter:
            assert await allowed(limiter, requests(8), times=2) == 2
            own.kill()
            assert await allowed(limiter, requests(8), slot(1), times=9) == 1
            assert limiter.metrics.is_open
            own.start()
            await by_store(limiter)
            assert await allowed(limiter, requests(8, window_us=HOUR_US), times=20) == 8


async def test_slots_are_counted_over_both(store: Store) -> None:
    async with guarded(store, processes=2) as limiter:
        charges = (slot(6),)
        before = [new_id() for _ in range(2)]
        for request_id in before:
            assert (await limiter.take(request_id, charges)).allowed
        store.freeze()
        try:
            await by_share(limiter)
            # What this process runs already is part of its share of three.
            meanwhile = new_id()
            assert (await limiter.take(meanwhile, charges)).allowed
            assert not (await limiter.take(new_id(), charges)).allowed
        finally:
            store.thaw()
        await by_store(limiter)
        [standing] = (await limiter.take(new_id(), charges)).standings
        assert standing.remaining == 6 - 4
        limiter.settle(meanwhile, charges, {})
        [standing] = (await limiter.take(new_id(), charges)).standings
        assert standing.remaining == 6 - 4


async def test_whoever_went_on_without_the_store_keeps_its_slot(store: Store) -> None:
    """What comes late is given back there; here the request holds it still."""
    async with guarded(store, processes=1) as limiter:
        charges = (slot(10),)
        store.freeze()
        try:
            verdicts = [await limiter.take(new_id(), charges) for _ in range(5)]
            assert all(verdict.allowed for verdict in verdicts)
        finally:
            store.thaw()
        await by_store(limiter)
        [standing] = (await limiter.take(new_id(), charges)).standings
        assert standing.remaining == 10 - 6


async def test_what_was_taken_here_is_settled_here(store: Store) -> None:
    async with guarded(store) as limiter:
        charges = (tokens(90, limit=400),)
        here, there, back = new_id(), new_id(), new_id()
        await limiter.take(there, charges)
        store.freeze()
        try:
            await by_share(limiter)
            assert (await limiter.take(here, charges)).allowed
            assert not (await limiter.take(back, charges)).allowed
            limiter.settle(here, charges, {Unit.TOKENS: 10})
            [standing] = (await limiter.take(back, charges)).standings
            assert standing.remaining == 100 - 10 - 90
            limiter.give_back(back, charges)
        finally:
            store.thaw()
        await by_store(limiter)
        limiter.settle(there, charges, {Unit.TOKENS: 100})
        [standing] = (await limiter.take(new_id(), charges)).standings
        assert standing.remaining == 400 - 100 - 90


async def test_what_nobody_settles_is_forgotten(store: Store) -> None:
    async with guarded(store) as limiter:
        store.freeze()
        try:
            await by_share(limiter)
            running, forgotten = new_id(), new_id()
            for request_id in (running, forgotten):
                await limiter.take(request_id, ANYTHING)
            for _ in range(3):
                limiter.renew([running])
            assert set(limiter._shares) == {running}
        finally:
            store.thaw()


async def test_flushing_only_forgets(store: Store) -> None:
    async with guarded(store, deadline_s=5.0) as limiter:
        charge = requests(5, window_us=HOUR_US)
        assert await allowed(limiter, charge, times=9) == 5
        store.admin.flushall()
        store.admin.script_flush()
        assert await allowed(limiter, charge, times=9) == 5
        assert limiter.metrics.failures == 0


async def test_a_store_that_cannot_write_is_left_alone(store: Store) -> None:
    async with guarded(store) as limiter:
        store.admin.replicaof("127.0.0.1", 1)
        try:
            await by_share(limiter)
            assert await allowed(limiter, requests(40), times=100) == 10
        finally:
            store.admin.replicaof("NO", "ONE")
        await by_store(limiter)


async def test_what_answers_just_in_time_does_not_end_the_share(
    store: Store, tmp_path: Path
) -> None:
    """Whoever goes to and fro lets a limit pass twice: by the store and by shares."""
    async with distant(store.path, tmp_path / "far") as distance:
        client = StoreClient(
            parse_address(distance.url), deadline_s=0.6, greeting=GREETING
        )
        await client.connected(seconds_max=10)
        limiter = GuardedLimiter(ValkeyLimiter(client), processes=lambda: 4)
        await limiter.begin()
        assert not limiter.metrics.is_open
        distance.delay_s = 60
        await by_share(limiter)
        distance.delay_s = 0.55
        probes = distance.answers + 2 * PROBES_MIN
        await eventually(lambda: distance.answers >= probes, seconds=30)
        assert limiter.metrics.is_open
        distance.delay_s = 0
        await by_store(limiter)
        await limiter.close()


async def test_it_takes_several_probes_and_more_if_it_opens_again_soon(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with guarded(store) as limiter:
        answers = iter([True, True, False] + [True] * (PROBES_MIN + 2 * PROBES_MIN))
        made = 0

        async def probe(**_: object) -> None:
            nonlocal made
            made += 1
            if not next(answers):
                raise StoreAwayError("not now")

        monkeypatch.setattr(limiter._store, "probe", probe)
        monkeypatch.setattr(guarded_module, "PROBE_S", 0.001)
        for needed in (3 + PROBES_MIN, 2 * PROBES_MIN):
            made = 0
            limiter._open(StoreAwayError("for the test"))
            await by_store(limiter)
            assert made == needed


async def test_a_share_is_one_request_at_least(store: Store) -> None:
    async with guarded(store, processes=1000) as limiter:
        store.freeze()
        try:
            await by_share(limiter)
            assert await allowed(limiter, requests(5), slot(5), times=9) == 1
            assert await allowed(limiter, requests(0), times=9) == 0
        finally:
            store.thaw()


async def test_nobody_waits_for_a_store_that_is_not_there_at_the_start(
    tmp_path: Path,
) -> None:
    limiter = await open_limiter(f"unix://{tmp_path}/none", processes=lambda: 2)
    assert isinstance(limiter, GuardedLimiter)
    assert limiter.metrics.is_open
    assert await allowed(limiter, requests(8), times=9) == 4
    with Store(tmp_path) as store:
        store.path.rename(tmp_path / "none")
        await by_store(limiter)
        assert await allowed(limiter, requests(8), times=9) == 8
        await limiter.close()


async def test_without_an_address_limits_are_kept_in_memory() -> None:
    limiter = await open_limiter("", processes=lambda: 1)
    assert isinstance(limiter, MemoryLimiter)
    with pytest.raises(ValueError, match="redis://"):
        await open_limiter("http://store", processes=lambda: 1)


async def test_what_happened_is_counted(store: Store) -> None:
    async with guarded(store, deadline_s=5.0) as limiter:
        await allowed(limiter, requests(2), times=3)
        read = {
            name: value()
            for name, (_, value) in {
                **limiter.metrics.counters,
                **limiter.metrics.gauges,
            }.items()
        }
    assert read == {
        "tollgate_limits_allowed": 2,
        "tollgate_limits_ahead": 0,
        "tollgate_limits_refused": 1,
        "tollgate_limits_fallbacks": 0,
        "tollgate_limits_failures": 0,
        "tollgate_limits_unsaid": 0,
        "tollgate_limits_breaker_open": 0,
    }
    [(_, histogram)] = limiter.metrics.histograms.values()
    assert [count for _, count in histogram.cumulative()][-1] == 3
