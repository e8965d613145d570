"""Cost is divided to the pico, over those who used it, and the rest is idle."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.economics.sharing import (
    HOUR_US,
    IDLE,
    STEP_PICOS,
    Presence,
    Whose,
    Work,
    cost_by_hour,
    divided,
    shared,
)

MODEL = "m"
WEIGHTS = st.dictionaries(st.integers(1, 9), st.integers(0, 10**9), min_size=1)
PRESENCES = st.lists(
    st.builds(
        Presence,
        hour=st.integers(0, 2),
        us=st.integers(1, HOUR_US),
        currency=st.sampled_from(["USD", "EUR"]),
        picos_per_hour=st.none() | st.integers(0, 10**13),
        tokens_per_s=st.none() | st.integers(1, 5000),
    ),
    min_size=1,
)
WORKS = st.lists(
    st.builds(
        Work,
        hour=st.integers(0, 3),
        tenant_id=st.integers(1, 3),
        model=st.sampled_from([MODEL, "adapter"]),
        permille=st.integers(-5, 10**10),
    )
)


def present(tokens_per_s: int | None = 10, *, us: int = HOUR_US) -> Presence:
    return Presence(0, us, "USD", 3600 * STEP_PICOS, tokens_per_s)


def steps(found: dict[str, Counter[Whose]]) -> dict[Whose, int]:
    return {whose: picos // STEP_PICOS for whose, picos in found["USD"].items()}


def work(tokens: int, tenant_id: int = 1) -> Work:
    return Work(0, tenant_id, MODEL, tokens * 1000)


@given(st.integers(0, 10**30), WEIGHTS)
def test_parts_sum_to_the_whole(total: int, weights: dict[int, int]) -> None:
    if not sum(weights.values()):
        with pytest.raises(ValueError, match="nothing"):
            divided(total, weights)
        return
    parts = divided(total, weights)
    assert sum(parts.values()) == total
    whole = sum(weights.values())
    for key, part in parts.items():
        assert abs(part * whole - total * weights[key]) < whole


@given(PRESENCES, WORKS)
def test_all_that_an_hour_cost_falls_on_somebody_or_is_idle(
    presences: list[Presence], works: list[Work]
) -> None:
    found = shared(presences, works, model=MODEL)
    costs: Counter[str] = Counter()
    for (_, currency), picos in cost_by_hour(presences).items():
        costs[currency] += picos
    assert {key: sum(parts.values()) for key, parts in found.items()} == dict(costs)
    assert all(picos >= 0 for parts in found.values() for picos in parts.values())


def test_an_hour_is_busy_by_the_work_of_what_can_be_done() -> None:
    # 36,000 tokens can be written in the hour; a quarter of them was.
    found = shared([present()], [work(6000), work(3000, 2)], model=MODEL)
    assert steps(found) == {(1, MODEL): 600, (2, MODEL): 300, (IDLE, MODEL): 2700}


def test_replicas_add_up_by_their_time() -> None:
    half = HOUR_US // 2
    found = shared([present(), present(us=half)], [work(27_000)], model=MODEL)
    # 54,000 can be done and half of it was; the hour and a half cost 5,400.
    assert steps(found) == {(1, MODEL): 2700, (IDLE, MODEL): 2700}


def test_more_than_can_be_done_is_all_busy() -> None:
    found = shared([present()], [work(40_000)], model=MODEL)
    assert steps(found) == {(1, MODEL): 3600}


def test_without_what_can_be_done_all_of_an_hour_with_work_is_busy() -> None:
    one_unknown = [present(), present(None)]
    assert steps(shared(one_unknown, [work(1)], model=MODEL)) == {(1, MODEL): 7200}
    assert steps(shared(one_unknown, [], model=MODEL)) == {(IDLE, MODEL): 7200}


def test_without_a_rate_nothing_is_told() -> None:
    nameless = Presence(0, HOUR_US, "", None, None)
    assert shared([nameless], [work(5)], model=MODEL) == {}
