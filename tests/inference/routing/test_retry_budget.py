"""The retry budget: a share of what was asked, a floor, and nothing beyond."""

from hypothesis import given
from hypothesis import strategies as st

from inference.routing import retry_budget
from inference.routing.retry_budget import (
    FLOOR,
    POOLS_MAX,
    SHARE,
    WINDOW_S,
    RetryBudget,
)


def taken(budget: RetryBudget, now: float, *, pool: str = "m") -> int:
    """Take retries until there are none; return how many there were."""
    count = 0
    while budget.take(pool, now):
        count += 1
    return count


def test_a_few_may_be_tried_again_whatever_was_asked() -> None:
    assert taken(RetryBudget(), 0.0) == FLOOR


def test_a_share_of_all_may_be() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.request("m", 0.0)
    assert taken(budget, WINDOW_S - 1) == FLOOR + SHARE * 1000


def test_pools_have_budgets_of_their_own() -> None:
    budget = RetryBudget()
    assert taken(budget, 0.0) == taken(budget, 0.0, pool="other") == FLOOR


def test_what_was_taken_comes_back_little_by_little() -> None:
    budget = RetryBudget()
    taken(budget, 0.0)
    assert taken(budget, WINDOW_S) == 0
    assert taken(budget, WINDOW_S * 1.5) == FLOOR // 2
    assert taken(budget, WINDOW_S * 9) == FLOOR


@given(
    st.lists(
        st.tuples(st.floats(0, WINDOW_S), st.integers(0, 60), st.integers(0, 300)),
        max_size=20,
    )
)
def test_no_two_windows_see_more_than_their_budgets(
    steps: list[tuple[float, int, int]],
) -> None:
    budget, now = RetryBudget(), 0.0
    asked: list[float] = []
    retried: list[float] = []
    for after, requests, wanted in steps:
        now += after
        for _ in range(requests):
            budget.request("m", now)
            asked.append(now)
        retried += [now for _ in range(wanted) if budget.take("m", now)]
        since = now - 2 * WINDOW_S
        recent = sum(at >= since for at in asked)
        assert sum(at > now - WINDOW_S for at in retried) <= (
            2 * FLOOR + SHARE * 2 * recent
        )


def test_pools_that_nobody_asks_for_are_forgotten() -> None:
    budget = RetryBudget()
    for number in range(POOLS_MAX):
        budget.request(f"old-{number}", 0.0)
    budget.request("new", retry_budget.WINDOW_S * 3)
    assert list(budget._pools) == ["new"]
