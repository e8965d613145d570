"""The limiter in memory against a slow model that thinks in fractions."""

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from inference.limiting.limiter import SLOT_US, Charge, Unit
from inference.limiting.memory import MemoryLimiter
from inference.limiting.slots import SlotBook
from tests.inference.limiting.rules import MINUTE_US, new_id, requests, slot, tokens


@dataclass
class Clock:
    """A clock that the test sets."""

    now_us: int = 10**15

    def __call__(self) -> int:
        return self.now_us


@dataclass
class Model:
    """How many of each rule are used, as a fraction; slowly and plainly."""

    at_us: int
    used: dict[str, Fraction] = field(default_factory=dict)

    def pass_time(self, us: int, charges: tuple[Charge, ...]) -> None:
        for charge in charges:
            rule = charge.rule
            used = self.used.get(rule.key, Fraction(0))
            gone = Fraction(us * rule.limit, rule.window_us)
            self.used[rule.key] = max(Fraction(0), used - gone)

    def take(self, charges: tuple[Charge, ...]) -> bool:
        after = {
            each.rule.key: self.used[each.rule.key] + min(each.amount, each.rule.limit)
            for each in charges
        }
        if any(after[each.rule.key] > each.rule.limit for each in charges):
            return False
        self.used.update(after)
        return True

    def add(self, charge: Charge, amount: int) -> None:
        used = self.used[charge.rule.key] + amount
        self.used[charge.rule.key] = max(Fraction(0), used)


LIMITS = st.integers(1, 1000) | st.integers(1, 10**9)
WINDOWS = st.sampled_from((1_000_000, MINUTE_US, 86_400_000_000)) | st.integers(
    1, 10**9
)
# What happens: time passes, then a request of so many tokens that used so many.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 10**7) | st.integers(0, 10**3),
        st.integers(0, 2000),
        st.none() | st.integers(0, 3000),
    ),
    max_size=40,
)


@given(LIMITS, LIMITS, WINDOWS, WINDOWS, STEPS)
def test_it_decides_as_the_model_does(
    few: int, many: int, short_us: int, long_us: int, steps: list[tuple[int, ...]]
) -> None:
    clock = Clock()
    limiter, model = MemoryLimiter(clock=clock), Model(clock.now_us)
    for pause_us, amount, used in steps:
        charges = (
            requests(few, window_us=short_us),
            tokens(amount, limit=many, window_us=long_us),
        )
        clock.now_us += pause_us
        model.pass_time(pause_us, charges)
        request_id = new_id()
        verdict = limiter.take_now(request_id, charges)
        assert verdict.allowed == model.take(charges)
        for standing in verdict.standings:
            rule = standing.charge.rule
            left = rule.limit - model.used[rule.key]
            assert standing.remaining == max(0, left // 1)
        if verdict.allowed and used is not None:
            limiter.settle(request_id, charges, {Unit.TOKENS: used})
            model.add(charges[1], used - charges[1].taken)


@given(LIMITS, WINDOWS, STEPS)
def test_whoever_waits_as_told_passes_and_not_a_moment_before(
    limit: int, window_us: int, steps: list[tuple[int, ...]]
) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for pause_us, amount, used in steps:
        clock.now_us += pause_us
        charges = (tokens(amount, limit=limit, window_us=window_us),)
        request_id = new_id()
        verdict = limiter.take_now(request_id, charges)
        if not verdict.allowed:
            wait_us = verdict.retry_after_us
            assert wait_us
            clock.now_us += wait_us - 1
            assert not limiter.take_now(request_id, charges).allowed
            clock.now_us += 1
            verdict = limiter.take_now(request_id, charges)
        assert verdict.allowed
        limiter.settle(request_id, charges, {Unit.TOKENS: used or 0})


@given(st.lists(LIMITS, min_size=2, max_size=8), st.integers(0, 5000))
def test_changing_a_limit_to_and_fro_gains_nothing(
    limits: list[int], used: int
) -> None:
    limiter = MemoryLimiter(clock=Clock())
    start = tokens(1, limit=limits[0])
    request_id = new_id()
    limiter.take_now(request_id, (start,))
    limiter.settle(request_id, (start,), {Unit.TOKENS: used})
    asked = (tokens(0, limit=limits[0]),)
    before = limiter.take_now(new_id(), asked).standings[0]
    for limit in limits:
        limiter.settle(new_id(), (tokens(0, limit=limit),), {Unit.TOKENS: 1})
        limiter.settle(new_id(), (tokens(1, limit=limit),), {Unit.TOKENS: 0})
    after = limiter.take_now(new_id(), asked).standings[0]
    assert after.remaining <= before.remaining
    assert 0 <= after.reset_us - before.reset_us <= len(limits) + 1


def test_what_is_idle_is_dropped() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for number in range(5000):
        clock.now_us += MINUTE_US // 100
        charge = requests(1, name=f"key-{number}")
        assert limiter.take_now(new_id(), (charge,)).allowed
    # A hundred are in use at a time.
    assert len(limiter) <= 202


async def test_slots_lapse_unless_they_are_renewed() -> None:
    clock = Clock()
    book = SlotBook(clock=clock)
    limiter = MemoryLimiter(slots=book, clock=clock)
    kept, forgotten = new_id(), new_id()
    for request_id in (kept, forgotten):
        assert (await limiter.take(request_id, (slot(2),))).allowed
    for _ in range(9):
        clock.now_us += SLOT_US // 3
        limiter.renew([kept, new_id()])
    assert book.count(slot(2).rule.key) == 1
    assert len(book) == 1
    assert (await limiter.take(new_id(), (slot(2),))).allowed
    # The machine slept: what still runs has its slot again.
    clock.now_us += 100 * SLOT_US
    assert book.count(slot(2).rule.key) == 0
    limiter.renew([kept])
    assert book.count(slot(2).rule.key) == 1
    limiter.release(kept, (slot(2),))
    assert len(book) == 0
    assert book.by_key() == {}


async def test_a_take_in_memory_never_lets_go_of_the_loop() -> None:
    """So it cannot be cancelled between having taken and saying so."""
    limiter = MemoryLimiter()
    task = asyncio.create_task(limiter.take(new_id(), (slot(1),)))
    await asyncio.sleep(0)
    assert task.done()
