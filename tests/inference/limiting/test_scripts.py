"""The scripts in the store and the limiter in memory say the same, at any time."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.limiting.gcra import verdict
from inference.limiting.limiter import SLOT_US, Charge, Rule, Unit, corrections
from inference.limiting.memory import MemoryLimiter
from inference.limiting.valkey import SETTLE, TAKE
from tests.inference.limiting.rules import new_id
from tests.inference.limiting.store import Store

EPOCH_US = 1_700_000_000_000_000
# Up to where a product of both is exact in a double.
LIMITS = st.sampled_from((0, 1, 3, 7, 60, 1_000)) | st.integers(0, 100_000)
WINDOWS = st.sampled_from((1_000_000, 60_000_000, 3_600_000_000))
RULES = st.one_of(
    st.builds(
        Rule,
        key=st.sampled_from(("{t1}:a", "{t1}:b")),
        unit=st.just(Unit.TOKENS),
        limit=LIMITS,
        window_us=WINDOWS,
    ),
    st.builds(
        Rule,
        key=st.just("{t1}:c"),
        unit=st.just(Unit.CONCURRENT_REQUESTS),
        limit=st.integers(0, 3),
    ),
)
# Rules, by how much the clock moves, what is asked, and what was used if it ends.
STEPS = st.lists(
    st.tuples(
        st.lists(RULES, min_size=1, max_size=3, unique_by=lambda rule: rule.key),
        st.integers(0, 5_000_000),
        st.integers(0, 2_000),
        st.none() | st.integers(0, 4_000),
    ),
    max_size=25,
)


class Scripts:
    """The product's scripts, at a time that the test chooses and keeping all keys."""

    def __init__(self, admin: Any) -> None:
        self._take = admin.register_script(_at_a_time(TAKE.text))
        self._settle = admin.register_script(_at_a_time(SETTLE.text))

    def take(self, id_: UUID, charges: tuple[Charge, ...], now_us: int) -> list[int]:
        """Return whether it was allowed, and the levels."""
        amounts = _flat(charges, lambda charge: (charge.taken, 0))
        reply = self._take(_keys(charges), [id_.hex, SLOT_US, *amounts, now_us])
        return [int(part) for part in reply.split()]

    def settle(
        self, id_: UUID, charges: tuple[Charge, ...], used: int, now_us: int
    ) -> None:
        """End the slots and correct the flows."""
        deltas = {
            r.key: delta for r, delta in corrections(charges, {Unit.TOKENS: used})
        }
        changed = tuple(
            each for each in charges if not each.rule.is_flow or each.rule.key in deltas
        )
        if changed:
            changes = _flat(changed, lambda charge: (deltas.get(charge.rule.key, 0),))
            self._settle(_keys(changed), [id_.hex, *changes, now_us])


def _at_a_time(text: str) -> str:
    text, times = re.subn(r"redis\.call\('TIME'\)", "{0, ARGV[#ARGV]}", text)
    text, lives = re.subn(r"local life = string\.format.*", "local life = 600000", text)
    assert times == lives == 1
    return text


def _flat(
    charges: tuple[Charge, ...], amounts: Callable[[Charge], tuple[int, ...]]
) -> list[int]:
    return [
        number
        for each in charges
        for number in (each.rule.limit, each.rule.window_us, *amounts(each))
    ]


def _keys(charges: tuple[Charge, ...]) -> list[str]:
    return [f"tg:rl:{each.rule.key}:{each.rule.window_us}" for each in charges]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_both_decide_alike(store: Store, steps: list[tuple[Any, ...]]) -> None:
    admin = store.admin
    admin.flushall()
    scripts = Scripts(admin)
    now_us = EPOCH_US
    limiter = MemoryLimiter(clock=lambda: now_us)
    for rules, pause_us, amount, used in steps:
        now_us += pause_us
        charges = tuple(Charge(rule, amount if rule.is_flow else 1) for rule in rules)
        request_id = new_id()
        found = limiter.take_now(request_id, charges)
        allowed, *levels = scripts.take(request_id, charges, now_us)
        assert found == verdict(charges, levels, allowed=bool(allowed))
        if found.allowed and used is not None:
            limiter.settle(request_id, charges, {Unit.TOKENS: used})
            scripts.settle(request_id, charges, used, now_us)


@pytest.mark.parametrize("back_us", [1, 3_600_000_000])
def test_a_clock_that_is_set_back_locks_nobody_out(store: Store, back_us: int) -> None:
    scripts = Scripts(store.admin)
    flow = Charge(Rule("{t1}:a", Unit.TOKENS, 10, 10_000_000), 10)
    slots = Charge(Rule("{t1}:c", Unit.CONCURRENT_REQUESTS, 1))
    assert scripts.take(new_id(), (flow, slots), EPOCH_US)[0] == 1
    now_us = EPOCH_US - back_us
    assert scripts.take(new_id(), (flow,), now_us)[0] == 0
    assert scripts.take(new_id(), (flow,), now_us + 9_999_999)[0] == 0
    assert scripts.take(new_id(), (flow,), now_us + 10_000_000)[0] == 1
    assert scripts.take(new_id(), (slots,), now_us + SLOT_US + 1)[0] == 1


def test_large_limits_are_counted_to_the_token(store: Store) -> None:
    """Beyond what a double holds exactly, the error stays below one token."""
    scripts = Scripts(store.admin)
    rule = Rule("{t1}:a", Unit.TOKENS, 999_999_937, 86_400_000_000)
    for _ in range(3_000):
        assert scripts.take(new_id(), (Charge(rule, 333_333),), EPOCH_US)[0] == 1
    left = rule.limit - 3_000 * 333_333
    assert scripts.take(new_id(), (Charge(rule, left + 1),), EPOCH_US)[0] == 0
    assert scripts.take(new_id(), (Charge(rule, left - 1),), EPOCH_US)[0] == 1
    assert scripts.take(new_id(), (Charge(rule, 2),), EPOCH_US)[0] == 0
