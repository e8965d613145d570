"""Turns by weight, and what they are bounded by."""

from inference.routing.round_robin import RoundRobin
from tests.inference.routing.asking import ask, candidates, ids


def first(router: RoundRobin, model: str, *loads: float, start: int = 1) -> int:
    return ids(router.order(ask(model=model), candidates(*loads, first=start)))[0]


def test_load_is_no_reason() -> None:
    router = RoundRobin()
    assert [first(router, "m", 0.9, 0.1) for _ in range(4)] == [1, 2, 1, 2]


def test_one_that_was_away_has_not_saved_up_turns() -> None:
    router = RoundRobin()
    for _ in range(60):
        first(router, "m", 0.0, 0.0)
    firsts = [first(router, "m", 0.0, 0.0, 0.0) for _ in range(6)]
    assert sorted(firsts) == [1, 1, 2, 2, 3, 3]


def test_the_models_asked_for_last_are_kept() -> None:
    router = RoundRobin(models_max=2)
    assert first(router, "a", 0.0, 0.0) == 1
    assert first(router, "b", 0.0, 0.0) == 1
    assert first(router, "a", 0.0, 0.0) == 2
    assert first(router, "c", 0.0, 0.0) == 1
    assert first(router, "a", 0.0, 0.0) == 1
    # It has been forgotten, and begins anew.
    assert first(router, "b", 0.0, 0.0) == 1


def test_replicas_that_are_gone_are_not_kept_for_ever() -> None:
    router = RoundRobin()
    for start in range(1, 2000, 2):
        first(router, "m", 0.0, 0.0, start=start)
    [owed] = router._credits.values()
    assert len(owed) <= 40


def test_one_that_started_anew_is_owed_nothing() -> None:
    router = RoundRobin()
    assert first(router, "m", 0.0, 0.0) == 1
    router.forget(1)
    router.forget(2)
    assert first(router, "m", 0.0, 0.0) == 1
