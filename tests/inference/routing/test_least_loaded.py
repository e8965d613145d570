"""The least loaded comes first."""

from hypothesis import given
from hypothesis import strategies as st

from inference.routing.least_loaded import LeastLoaded
from tests.inference.routing.asking import ask, candidates, ids


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.7]), max_size=9))
def test_loads_never_fall(loads: list[float]) -> None:
    ordered = LeastLoaded().order(ask(), candidates(*loads))
    assert [each.load for each in ordered] == sorted(loads)


def test_only_equal_ones_take_turns() -> None:
    router = LeastLoaded()
    orders = [ids(router.order(ask(), candidates(0.9, 0.2, 0.2))) for _ in range(4)]
    assert {tuple(order) for order in orders} == {(2, 3, 1), (3, 2, 1)}
