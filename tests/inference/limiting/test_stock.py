"""What is taken ahead: how much, for how long, and what those who pass are told."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.limiting.headers import limit_headers
from inference.limiting.limiter import Charge, Rule, Unit
from inference.limiting.memory import MemoryLimiter
from inference.limiting.stock import (
    ASKED_MIN,
    LIFE_US,
    PERIOD_US,
    Amounts,
    Passed,
    Stock,
    may_stock,
)
from kit.contracts import TokenCounts
from tests.inference.limiting.rules import (
    HOUR_US,
    MINUTE_US,
    new_id,
    requests,
    slot,
    tokens,
)

LIMIT = 64_000
RULES = (
    requests(LIMIT).rule,
    tokens(0, limit=LIMIT * 100).rule,
    slot(LIMIT).rule,
)


def charges_of(rules: tuple[Rule, ...], amounts: Amounts) -> tuple[Charge, ...]:
    return tuple(
        Charge(rule, amounts[1] if rule.unit is Unit.TOKENS else 1) for rule in rules
    )


class Stocked:
    """A stock at a time that the test chooses, and what it told."""

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self.now_us = 10**9
        # How late the answer is that fills it.
        self.late_us = 0
        self.told: list[tuple[int, dict[Unit, int]]] = []
        self.stock = Stock(rules, now_us=self.now_us, tell=self._tell)
        self.limiter = MemoryLimiter(clock=lambda: self.now_us)

    def ask(self, times: int, amounts: Amounts = (1, 100, 90, 10)) -> None:
        """Note so many requests that did not pass by it."""
        for _ in range(times):
            charges = charges_of(self.stock.rules, amounts)
            self.stock.note(charges, self.now_us)

    def wanted(self, amounts: Amounts = (1, 100, 90, 10)) -> tuple[int, ...] | None:
        charges = charges_of(self.stock.rules, amounts)
        return self.stock.wanted(charges, {}, self.now_us)

    def fill(self, *sizes: int) -> None:
        """Fill it, after a request of 100 tokens."""
        charges = charges_of(self.stock.rules, (1, 100, 90, 10))
        for part, size in zip(self.stock.parts, sizes, strict=True):
            part.granted = size
        ids = [new_id() for _ in range(sizes[-1])] if self.stock.slot_rules else []
        found = self.limiter.take_now(new_id(), charges)
        self.stock.fill(
            found.standings, ids, self.now_us, since_us=self.now_us - self.late_us
        )

    def passed(self, amounts: Amounts = (1, 100, 90, 10)) -> Passed:
        found = self.stock.take(amounts, self.now_us)
        assert found is not None
        return found

    def _tell(self, stock: Stock) -> None:
        ended, wrong = stock.owed()
        if ended or wrong:
            self.told.append((len(ended), {rule.unit: by for rule, by in wrong}))


def test_a_few_requests_of_one_moment_want_as_much_again() -> None:
    stocked = Stocked()
    stocked.ask(ASKED_MIN - 1)
    assert stocked.wanted() is None
    stocked.ask(1)
    assert stocked.wanted() == (ASKED_MIN, ASKED_MIN * 100, ASKED_MIN)


def test_who_asks_now_and_then_wants_nothing() -> None:
    stocked = Stocked()
    for _ in range(100):
        stocked.ask(1)
        stocked.now_us += PERIOD_US
        assert stocked.wanted() is None


def test_as_much_is_wanted_as_was_used_in_a_period() -> None:
    stocked = Stocked()
    for _ in range(3):
        stocked.ask(40)
        stocked.now_us += 2 * PERIOD_US
        assert stocked.wanted() == (20, 2_000, 20)
    # What passes by the stock is use like any other.
    stocked.ask(1)
    stocked.fill(20, 2_000, 20)
    for _ in range(19):
        stocked.passed()
    stocked.now_us += PERIOD_US
    assert stocked.wanted() == (20, 2_000, 20)


def test_no_more_than_a_part_of_the_limit_is_wanted_over_all_stocks() -> None:
    stocked = Stocked()
    stocked.ask(5_000)
    assert stocked.wanted() == (1_000, 100_000, 256)
    charges = charges_of(RULES, (1, 100, 90, 10))
    elsewhere = {(RULES[0].key, RULES[0].window_us): 993}
    found = stocked.stock.wanted(charges, elsewhere, stocked.now_us)
    assert found == (7, 100_000, 256)
    # One that does not hold a request like this is of no use.
    assert stocked.wanted((1, 100_001, 1, 1)) is None


@pytest.mark.parametrize(
    ("charge", "may"),
    [
        (requests(128), True),
        (requests(127), False),
        (slot(127), False),
        (requests(0), False),
        (requests(10**6, window_us=1_000_000), False),
    ],
)
def test_small_limits_and_short_windows_are_asked_each_time(
    charge: Charge, may: bool
) -> None:
    assert may_stock((tokens(1, limit=10**6).rule, charge.rule)) is may


def test_requests_pass_while_all_they_take_is_there() -> None:
    stocked = Stocked()
    stocked.fill(3, 250, 3)
    stocked.passed()
    assert stocked.stock.take((1, 151, 1, 150), stocked.now_us) is None
    stocked.passed((1, 150, 1, 149))
    assert stocked.stock.take((1, 1, 1, 0), stocked.now_us) is None
    stocked.passed((1, 0, 0, 0))
    assert stocked.stock.take((1, 0, 0, 0), stocked.now_us) is None


def test_nobody_passes_without_a_slot() -> None:
    stocked = Stocked()
    stocked.fill(9, 900, 1)
    held = stocked.passed()
    assert stocked.stock.take((1, 1, 1, 0), stocked.now_us) is None
    held.release()
    stocked.passed()


def test_what_is_old_lets_nobody_pass() -> None:
    stocked = Stocked()
    stocked.fill(9, 900, 9)
    stocked.now_us += LIFE_US - 1
    stocked.passed()
    stocked.now_us += 1
    assert stocked.stock.take((1, 1, 1, 0), stocked.now_us) is None


def test_it_is_old_from_when_it_was_taken() -> None:
    """Not from when that was heard of: it drains meanwhile, and its slots lapse."""
    stocked = Stocked()
    stocked.late_us = LIFE_US - 1
    stocked.fill(9, 900, 9)
    stocked.passed()
    stocked.now_us += 1
    assert stocked.stock.take((1, 1, 1, 0), stocked.now_us) is None


@pytest.mark.parametrize(
    ("late_us", "requests_back", "tokens_back"),
    [(0, 100, 9000), (30_000, 68, 8947), (93_749, 1, 8834), (10**9, 0, 0)],
)
def test_what_drained_while_its_process_was_held_up_does_not_go_back(
    late_us: int, requests_back: int, tokens_back: int
) -> None:
    """Others have used it since: 64,000 drain in a minute, and 6,400,000 in an hour."""
    stocked = Stocked()
    stocked.fill(100, 9000, 9)
    stocked.now_us += LIFE_US + late_us
    stocked.stock.retire(stocked.now_us)
    owed = [flow.owed for flow in stocked.stock.flows]
    assert owed == [-requests_back, -tokens_back]
    assert len(stocked.stock.ended) == 9


def test_a_slot_is_passed_on_once() -> None:
    """Whoever was released is settled later, when another has its slot."""
    stocked = Stocked()
    stocked.fill(9, 900, 1)
    first = stocked.passed()
    first.release()
    first.release()
    stocked.passed()
    first.settle(TokenCounts(90, 0, 4))
    assert not stocked.stock.free
    assert not stocked.stock.ended
    assert [flow.owed for flow in stocked.stock.flows] == [0, -6]


def test_slots_beyond_its_size_are_given_back() -> None:
    stocked = Stocked()
    stocked.fill(9, 900, 3)
    held = [stocked.passed() for _ in range(3)]
    stocked.fill(9, 900, 2)
    for each in held:
        each.release()
    assert len(stocked.stock.free) == 2
    assert len(stocked.stock.ended) == 3


def test_of_an_empty_stock_everything_is_told_at_once() -> None:
    stocked = Stocked()
    stocked.fill(3, 300, 3)
    settled, undone = stocked.passed(), stocked.passed()
    stocked.stock.retire(stocked.now_us)
    stocked.stock.tell(stocked.stock)
    assert stocked.told == [(1, {Unit.REQUESTS: -1, Unit.TOKENS: -100})]
    settled.settle(TokenCounts(90, 20, 30))
    undone.release()
    undone.give_back()
    assert stocked.told[1:] == [
        (1, {Unit.TOKENS: 40}),
        (1, {}),
        (0, {Unit.REQUESTS: -1, Unit.TOKENS: -100}),
    ]


STEPS = st.lists(
    st.tuples(
        st.integers(0, LIFE_US // 30),
        st.integers(0, 3_000),
        st.none() | st.integers(0, 4_000),
    ),
    min_size=1,
    max_size=25,
)


@given(
    limits=st.tuples(
        *(st.integers(200, 10**6), st.integers(200, 10**6)),
        *(st.integers(10**5, 10**9), st.integers(10**5, 10**9)),
    ),
    steps=STEPS,
)
def test_they_are_told_what_the_limiter_would_tell(
    limits: tuple[int, int, int, int], steps: list[tuple[int, int, int | None]]
) -> None:
    """To one, as long as nobody else takes: both are rounded."""
    rules = (
        requests(limits[0], window_us=HOUR_US).rule,
        requests(limits[1], window_us=MINUTE_US).rule,
        tokens(0, limit=limits[2]).rule,
        tokens(0, limit=limits[3], window_us=MINUTE_US).rule,
    )
    stocked = Stocked(rules)
    stocked.fill(10**9, 10**9, 10**9, 10**9)
    for pause_us, amount, used in steps:
        stocked.now_us += pause_us
        amounts = (1, amount, amount, 0)
        charges = charges_of(rules, amounts)
        request_id = new_id()
        found = stocked.limiter.take_now(request_id, charges)
        assert found.allowed
        passed = stocked.passed(amounts)
        told = passed.headers
        expected = limit_headers(found)
        assert list(told) == list(expected)
        for name, said in told.items():
            if "remaining" in name:
                assert abs(int(said) - int(expected[name])) <= 1
            elif "limit-" in name:
                assert said == expected[name]
            else:
                assert abs(ms(said) - ms(expected[name])) <= 1
        if used is not None:
            stocked.limiter.settle(request_id, charges, {Unit.TOKENS: used})
            passed.settle(TokenCounts(used, 0, 0))


def ms(said: str) -> int:
    """Return how long a duration says, in milliseconds."""
    if said.endswith("ms"):
        return int(said.removesuffix("ms"))
    total = 0
    rest = said
    for unit, seconds in (("h", 3600), ("m", 60), ("s", 1)):
        number, found, after = rest.partition(unit)
        if found:
            total += round(float(number) * seconds * 1000)
            rest = after
    return total


def test_levels_only_rise_by_what_passes() -> None:
    stocked = Stocked()
    stocked.fill(9, 900, 9)
    left = [
        int(stocked.passed().headers["x-ratelimit-remaining-tokens"]) for _ in range(5)
    ]
    assert [before - after for before, after in pairwise(left)] == [100] * 4
