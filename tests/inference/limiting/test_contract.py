"""What every limiter does, in memory or in a store."""

import asyncio
import random
from dataclasses import replace

import pytest

from inference.limiting.limiter import Charge, RateLimiter, Unit, Verdict
from tests.inference.limiting.rules import HOUR_US, new_id, requests, slot, tokens


async def taken(limiter: RateLimiter, *charges: Charge) -> Verdict:
    return await limiter.take(new_id(), charges)


async def allowed(limiter: RateLimiter, *charges: Charge, times: int) -> int:
    verdicts = [await taken(limiter, *charges) for _ in range(times)]
    return sum(verdict.allowed for verdict in verdicts)


async def test_a_burst_of_the_limit_passes_and_no_more(limiter: RateLimiter) -> None:
    assert await allowed(limiter, requests(5, window_us=HOUR_US), times=20) == 5


async def test_what_is_left_is_told(limiter: RateLimiter) -> None:
    charge = requests(3, window_us=HOUR_US)
    left = [(await taken(limiter, charge)).standings[0].remaining for _ in range(4)]
    assert left == [2, 1, 0, 0]
    [standing] = (await taken(limiter, charge)).standings
    assert standing.reset_us == pytest.approx(HOUR_US, rel=0.01)
    assert standing.wait_us == pytest.approx(HOUR_US // 3, rel=0.01)


async def test_a_request_takes_from_all_rules_or_from_none(
    limiter: RateLimiter,
) -> None:
    wide, narrow = requests(9, window_us=HOUR_US), tokens(60, limit=100)
    assert await allowed(limiter, wide, narrow, slot(9), times=5) == 1
    [flow, bucket, slots] = (await taken(limiter, wide, narrow, slot(9))).standings
    assert [flow.remaining, bucket.remaining, slots.remaining] == [8, 40, 8]
    verdict = await taken(limiter, wide, narrow, slot(9))
    assert verdict.refused_by == narrow.rule
    assert await allowed(limiter, wide, times=20) == 8


async def test_it_passes_after_waiting_as_told(limiter: RateLimiter) -> None:
    charges = (
        requests(2, window_us=200_000),
        tokens(70, limit=100, window_us=300_000),
    )
    waits = 0
    for _ in range(6):
        verdict = await taken(limiter, *charges)
        while not verdict.allowed:
            assert verdict.retry_after_us
            waits += 1
            await asyncio.sleep(verdict.retry_after_us / 1_000_000 + 0.002)
            again = await taken(limiter, *charges)
            assert again.allowed
            verdict = again
    assert waits >= 4


async def test_what_was_not_used_is_there_again(limiter: RateLimiter) -> None:
    charges = (tokens(80, limit=100), slot(1))
    request_id = new_id()
    assert (await limiter.take(request_id, charges)).allowed
    limiter.settle(request_id, charges, {Unit.TOKENS: 30})
    [bucket, _] = (await taken(limiter, *charges)).standings
    assert bucket.remaining == 70
    assert (await taken(limiter, tokens(70, limit=100), slot(1))).allowed


async def test_what_was_used_beyond_makes_a_debt(limiter: RateLimiter) -> None:
    charges = (tokens(10, limit=100),)
    request_id = new_id()
    await limiter.take(request_id, charges)
    limiter.settle(request_id, charges, {Unit.TOKENS: 350})
    verdict = await taken(limiter, tokens(1, limit=100))
    assert not verdict.allowed
    [standing] = verdict.standings
    assert standing.remaining == 0
    assert standing.reset_us == pytest.approx(3.5 * HOUR_US, rel=0.01)
    assert verdict.retry_after_us == pytest.approx(2.51 * HOUR_US, rel=0.01)


async def test_nobody_gets_more_than_a_whole_window(limiter: RateLimiter) -> None:
    charges = (tokens(10, limit=100),)
    request_id = new_id()
    await limiter.take(request_id, charges)
    for _ in range(3):
        limiter.settle(request_id, charges, {Unit.TOKENS: 0})
    assert await allowed(limiter, *charges, times=20) == 10


async def test_a_request_that_is_too_large_takes_the_whole_window(
    limiter: RateLimiter,
) -> None:
    charges = (tokens(5_000, limit=100),)
    request_id = new_id()
    verdict = await limiter.take(request_id, charges)
    assert verdict.allowed
    assert verdict.oversized == charges
    limiter.settle(request_id, charges, {Unit.TOKENS: 150})
    [standing] = (await taken(limiter, *charges)).standings
    assert standing.reset_us == pytest.approx(1.5 * HOUR_US, rel=0.01)


async def test_a_limit_of_nothing_refuses_for_ever(limiter: RateLimiter) -> None:
    for charge in (requests(0), tokens(0, limit=0), slot(0)):
        verdict = await taken(limiter, requests(9, name="other"), charge)
        assert not verdict.allowed
        assert verdict.retry_after_us is None
        assert verdict.refused_by == charge.rule
        limiter.settle(new_id(), (charge,), {Unit.TOKENS: 7, Unit.REQUESTS: 7})
        limiter.give_back(new_id(), (charge,))
    assert await allowed(limiter, requests(9, name="other"), times=20) == 9


async def test_without_rules_everything_passes(limiter: RateLimiter) -> None:
    assert await taken(limiter) == Verdict(True, ())


async def test_a_take_can_be_given_back(limiter: RateLimiter) -> None:
    charges = (requests(1, window_us=HOUR_US), tokens(100, limit=100), slot(1))
    for _ in range(5):
        request_id = new_id()
        assert (await limiter.take(request_id, charges)).allowed
        assert not (await taken(limiter, *charges)).allowed
        limiter.give_back(request_id, charges)


async def test_slots_are_held_until_they_are_ended(limiter: RateLimiter) -> None:
    ids = [new_id() for _ in range(3)]
    charges = (slot(2),)
    assert [(await limiter.take(id_, charges)).allowed for id_ in ids] == [1, 1, 0]
    verdict = await limiter.take(ids[2], charges)
    assert verdict.retry_after_us == 1_000_000
    limiter.release(ids[0], charges)
    limiter.release(ids[0], charges)
    assert (await limiter.take(ids[2], charges)).standings[0].remaining == 0
    assert not (await taken(limiter, *charges)).allowed


async def test_a_changed_limit_keeps_the_used_part(limiter: RateLimiter) -> None:
    few, many = tokens(50, limit=100), tokens(500, limit=1000)
    assert (await taken(limiter, few)).allowed
    assert (await taken(limiter, many)).standings[0].remaining == 0
    assert not (await taken(limiter, tokens(20, limit=100))).allowed
    # Nobody gains anything by changing it to and fro.
    for _ in range(5):
        assert not (await taken(limiter, tokens(1, limit=1))).allowed
        assert not (await taken(limiter, tokens(50, limit=1000))).allowed


async def test_a_limit_of_nothing_forgets_nothing(limiter: RateLimiter) -> None:
    charge = requests(2, window_us=HOUR_US)
    assert await allowed(limiter, charge, times=5) == 2
    none = replace(charge, rule=replace(charge.rule, limit=0))
    assert not (await taken(limiter, none)).allowed
    assert await allowed(limiter, charge, times=5) == 0


async def test_another_window_is_another_count(limiter: RateLimiter) -> None:
    assert await allowed(limiter, requests(2, window_us=HOUR_US), times=5) == 2
    assert await allowed(limiter, requests(2, window_us=2 * HOUR_US), times=5) == 2


async def test_slots_hold_under_random_cancellation(limiter: RateLimiter) -> None:
    """Never above the limit, and all free at the end."""
    charges = (slot(8), requests(10**6))
    running = highest = 0
    chance = random.Random(7)

    async def use() -> None:
        nonlocal running, highest
        request_id = new_id()
        verdict = await limiter.take(request_id, charges)
        if not verdict.allowed:
            return
        running += 1
        highest = max(highest, running)
        try:
            await asyncio.sleep(chance.random() * 0.004)
        finally:
            running -= 1
            limiter.settle(request_id, charges, {})

    for _ in range(60):
        tasks = [asyncio.create_task(use()) for _ in range(20)]
        await asyncio.sleep(chance.random() * 0.004)
        for task in chance.sample(tasks, 12):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert highest == 8
    assert running == 0
    assert await allowed(limiter, *charges, times=20) == 8
