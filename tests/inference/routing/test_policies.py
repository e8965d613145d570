"""What every policy does, whatever it prefers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.routing.policies import new_policies
from inference.routing.router import Candidate, Router
from inference.routing.serving import Policy
from tests.inference.routing.asking import ask, candidates, ids, replica

POLICIES = list(Policy)
LONG = b"all of this is computed once. " * 100
_LOADS = st.lists(st.floats(0, 1), max_size=9)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order", "sent", "answered", "forget"]),
        st.integers(1, 12),
        st.sampled_from([b"", b"short", LONG, LONG * 3, LONG + b"?" * 900]),
        st.sampled_from(["", "session"]),
        _LOADS,
    ),
    max_size=30,
)


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return Policy(request.param)


@pytest.fixture
def router(policy: Policy) -> Router:
    return new_policies()[policy]


def play(router: Router, steps: list[tuple[str, int, bytes, str, list[float]]]) -> None:
    for step, replica_id, prompt, session, loads in steps:
        asked = ask(prompt, session=session, model=f"m{replica_id % 3}")
        match step:
            case "order":
                given_order = candidates(*loads)
                ordered = router.order(asked, given_order)
                assert sorted(ids(ordered)) == ids(given_order)
            case "sent":
                router.sent(asked, replica_id)
                router.answered(
                    asked, replica_id, prompt_tokens=900, cached_tokens=len(loads)
                )
            case "answered":
                router.answered(asked, replica_id, prompt_tokens=9, cached_tokens=900)
            case _:
                router.forget(replica_id)


@pytest.mark.parametrize("policy", POLICIES)
@given(steps=_STEPS, loads=_LOADS)
def test_candidates_come_back_all_and_once_whatever_was_learned(
    policy: Policy,
    steps: list[tuple[str, int, bytes, str, list[float]]],
    loads: list[float],
) -> None:
    router = new_policies()[policy]
    play(router, steps)
    ordered = router.order(ask(LONG), candidates(*loads))
    assert sorted(ids(ordered)) == list(range(1, len(loads) + 1))


@pytest.mark.parametrize("policy", POLICIES)
@given(steps=_STEPS, loads=_LOADS)
def test_who_learned_the_same_says_the_same(
    policy: Policy,
    steps: list[tuple[str, int, bytes, str, list[float]]],
    loads: list[float],
) -> None:
    answers: list[list[int]] = []
    for _ in range(2):
        router = new_policies()[policy]
        play(router, steps)
        answers.append(ids(router.order(ask(LONG), candidates(*loads))))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_replicas_take_turns(router: Router, count: int) -> None:
    orders = [
        ids(router.order(ask(b"short"), candidates(*[0.5] * count)))
        for _ in range(2 * count)
    ]
    assert Counter(order[0] for order in orders) == dict.fromkeys(
        range(1, count + 1), 2
    )


def test_a_model_s_turns_are_not_another_s(router: Router) -> None:
    """Two models that are asked for by turns use all of their replicas each."""
    firsts: dict[str, set[int]] = {"a": set(), "b": set()}
    for turn in range(8):
        model = "ab"[turn % 2]
        [first, _] = ids(router.order(ask(model=model), candidates(0.0, 0.0)))
        firsts[model].add(first)
    assert firsts == {"a": {1, 2}, "b": {1, 2}}


def test_heavy_replicas_have_more_turns_and_not_all_at_once(router: Router) -> None:
    weights = {1: 50, 2: 25, 3: 25}
    given_order = [Candidate(replica(n, weight=w), 0.0) for n, w in weights.items()]
    firsts = [ids(router.order(ask(), given_order))[0] for _ in range(40)]
    assert Counter(firsts) == {1: 20, 2: 10, 3: 10}
    assert all(firsts[at : at + 3] != [1, 1, 1] for at in range(38))


def test_replicas_that_come_and_go_leave_nothing_out(router: Router) -> None:
    for first in range(1, 400):
        ordered = router.order(
            ask(LONG, session="s"), candidates(0.1, 0.1, first=first)
        )
        router.sent(ask(LONG), ids(ordered)[0])
        assert sorted(ids(ordered)) == [first, first + 1]
    router.forget(3)
    router.forget(10**9)
