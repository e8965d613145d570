"""The breaker of one replica: it opens for deaths only, and comes back one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.routing.breaker import (
    BUSY_S,
    BUSY_S_MAX,
    COOL_S,
    COOL_S_MAX,
    DEATHS_IN_A_ROW,
    FAULTS_IN_A_ROW,
    FAULTS_S,
    PROVEN_S,
    STEADY_S,
    TRIAL_S,
    WINDOW_S,
    Breaker,
    State,
)


def breaker(chance: float = 1.0) -> Breaker:
    """Give one whose waits are drawn so."""
    return Breaker(chance=lambda: chance)


def state(of: Breaker) -> State:
    """Return its state, which a call in between may have changed."""
    return of.state


def opened(now: float = 0.0, *, chance: float = 1.0) -> Breaker:
    """Give one that has just opened."""
    made = breaker(chance)
    for _ in range(DEATHS_IN_A_ROW):
        made.died(now)
    assert state(made) is State.OPEN
    return made


def test_it_opens_after_so_many_deaths_in_a_row() -> None:
    tried = breaker()
    for _ in range(DEATHS_IN_A_ROW - 1):
        tried.died(0.0)
    assert tried.may_take(0.0)
    tried.answered(0.0)
    for _ in range(DEATHS_IN_A_ROW - 1):
        tried.died(WINDOW_S * 2)
    assert state(tried) is State.CLOSED
    tried.died(WINDOW_S * 2)
    assert state(tried) is State.OPEN
    assert not tried.may_take(WINDOW_S * 2)


def test_it_opens_where_half_of_a_window_died() -> None:
    tried = breaker()
    for _ in range(4):
        tried.died(0.0)
        tried.answered(0.0)
    assert state(tried) is State.CLOSED
    tried.died(0.0)
    assert state(tried) is State.OPEN


def test_a_few_deaths_among_many_answers_are_borne() -> None:
    tried = breaker()
    for _ in range(100):
        for _ in range(4):
            tried.answered(0.0)
        tried.died(0.0)
    assert state(tried) is State.CLOSED


def test_deaths_of_another_window_do_not_count() -> None:
    tried = breaker()
    for number in range(40):
        tried.died(number * WINDOW_S)
        tried.answered(number * WINDOW_S)
    assert state(tried) is State.CLOSED


@given(st.lists(st.sampled_from(["overloaded", "faulted"]), max_size=200))
def test_neither_overload_nor_faults_open_it(events: list[str]) -> None:
    tried = breaker()
    for number, event in enumerate(events):
        now = number / 10
        if event == "overloaded":
            tried.overloaded(now, retry_after_s=1e9)
        else:
            tried.faulted(now)
        assert state(tried) is State.CLOSED
        assert tried.may_take(now + BUSY_S_MAX)


def test_an_overloaded_one_is_passed_over_for_as_long_as_it_asks() -> None:
    tried = breaker()
    tried.overloaded(0.0, retry_after_s=2.0)
    assert not tried.may_take(1.9)
    assert tried.may_take(2.0)
    tried.overloaded(10.0)
    assert not tried.may_take(10.0)
    assert tried.may_take(10.0 + BUSY_S)


def test_overload_in_between_keeps_deaths_from_adding_up() -> None:
    tried = breaker()
    for number in range(DEATHS_IN_A_ROW * 3):
        tried.died(number * WINDOW_S * 2)
        tried.overloaded(number * WINDOW_S * 2)
    assert state(tried) is State.CLOSED


def test_only_many_faults_in_a_row_are_passed_over() -> None:
    tried = breaker()
    for _ in range(FAULTS_IN_A_ROW - 1):
        tried.faulted(0.0)
    assert tried.may_take(0.0)
    tried.answered(0.0)
    for _ in range(FAULTS_IN_A_ROW - 1):
        tried.faulted(0.0)
    assert tried.may_take(0.0)
    tried.faulted(0.0)
    assert not tried.may_take(0.0)
    assert tried.may_take(FAULTS_S)
    tried.faulted(FAULTS_S)
    assert not tried.may_take(FAULTS_S)


def test_one_request_at_a_time_tries_an_open_one() -> None:
    tried = opened()
    assert tried.may_take(COOL_S)
    tried.began(COOL_S)
    assert state(tried) is State.HALF_OPEN
    assert not tried.may_take(COOL_S)
    # It may have to wait for a long prompt, or its client may have left.
    assert tried.may_take(COOL_S + TRIAL_S)
    tried.began(COOL_S + TRIAL_S)
    assert not tried.may_take(COOL_S + TRIAL_S)
    tried.answered(COOL_S + TRIAL_S)
    assert state(tried) is State.CLOSED
    assert tried.may_take(COOL_S + TRIAL_S)


def test_a_refusal_for_overload_closes_it_and_is_respected() -> None:
    tried = opened()
    tried.began(COOL_S)
    tried.overloaded(COOL_S, retry_after_s=3.0)
    assert state(tried) is State.CLOSED
    assert not tried.may_take(COOL_S + 2.9)


@pytest.mark.parametrize("verdict", ["died", "faulted"])
def test_each_vain_try_doubles_the_wait_up_to_a_bound(verdict: str) -> None:
    tried = opened()
    now, waits = 0.0, [COOL_S]
    for _ in range(8):
        now += waits[-1]
        assert tried.may_take(now)
        tried.began(now)
        getattr(tried, verdict)(now)
        assert state(tried) is State.OPEN
        waits.append(min(waits[-1] * 2, COOL_S_MAX))
        assert not tried.may_take(now + waits[-1] - 0.01)
    assert waits[-1] == COOL_S_MAX


def test_processes_do_not_come_back_at_one_moment() -> None:
    assert opened(chance=0.0).may_take(COOL_S / 2)
    assert not opened(chance=1.0).may_take(COOL_S * 0.99)


def test_one_that_stays_well_begins_with_the_short_wait_again() -> None:
    tried = opened()
    tried.began(COOL_S)
    tried.answered(COOL_S)
    for _ in range(DEATHS_IN_A_ROW):
        tried.died(COOL_S)
    assert not tried.may_take(COOL_S * 2.9)
    tried.began(COOL_S * 3)
    tried.answered(COOL_S * 3)
    later = COOL_S * 3 + STEADY_S + 1
    for _ in range(DEATHS_IN_A_ROW):
        tried.died(later)
    assert tried.may_take(later + COOL_S)


def test_what_was_sent_before_it_opened_tells_nothing() -> None:
    tried = opened()
    tried.answered(0.1)
    assert state(tried) is State.OPEN
    tried.died(0.9)
    assert tried.may_take(COOL_S)


def test_a_probe_ends_the_wait_for_one_request() -> None:
    tried = opened()
    tried.probed(0.1)
    assert tried.may_take(0.1)
    tried.began(0.1)
    assert not tried.may_take(0.1)


def test_a_try_that_goes_on_at_an_engine_that_answers_probes_has_not_failed() -> None:
    tried = opened()
    tried.began(COOL_S)
    tried.probed(COOL_S + PROVEN_S - 0.01)
    assert state(tried) is State.HALF_OPEN
    tried.probed(COOL_S + PROVEN_S)
    assert state(tried) is State.CLOSED
    # The deaths that had opened it are not held against it any more.
    tried.died(COOL_S + PROVEN_S + WINDOW_S * 2)
    assert state(tried) is State.CLOSED


def test_it_is_forgotten_once_it_has_been_well_for_long() -> None:
    tried = breaker()
    tried.died(0.0)
    assert not tried.is_forgotten(STEADY_S)
    assert tried.is_forgotten(STEADY_S + 1)
    assert not opened().is_forgotten(1e9)


EVENTS = st.sampled_from(
    ["began", "answered", "died", "overloaded", "faulted", "probed"]
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 5)), max_size=60), st.floats(0, 1))
def test_whatever_happens_it_is_tried_again_in_bounded_time(
    events: list[tuple[str, float]], chance: float
) -> None:
    tried, now = breaker(chance), 0.0
    for event, after in events:
        now += after
        if event != "began":
            getattr(tried, event)(now)
        elif tried.may_take(now):
            tried.began(now)
    assert tried.may_take(now + max(COOL_S_MAX, TRIAL_S, BUSY_S_MAX))
