"""Whom canaries serve: the part that is asked for, and always the same."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.routing.canary import is_on_canary, preferred
from inference.routing.router import Candidate
from tests.inference.routing.asking import ask, ids, replica

TENANTS = range(1, 10_001)
_PERMILLE = st.integers(0, 1000)


def fleet(*canaries: bool) -> list[Candidate]:
    return [
        Candidate(replace(replica(number), is_canary=is_canary), 0.0)
        for number, is_canary in enumerate(canaries, 1)
    ]


@given(
    tenant_id=st.integers(1), session=st.text(max_size=9), few=_PERMILLE, more=_PERMILLE
)
def test_a_larger_part_holds_the_smaller(
    tenant_id: int, session: str, few: int, more: int
) -> None:
    few, more = sorted((few, more))
    if is_on_canary("m", tenant_id, session, permille=few):
        assert is_on_canary("m", tenant_id, session, permille=more)


@given(tenant_id=st.integers(1), session=st.text(max_size=9))
def test_nobody_and_everybody_are_just_that(tenant_id: int, session: str) -> None:
    assert not is_on_canary("m", tenant_id, session, permille=0)
    assert is_on_canary("m", tenant_id, session, permille=1000)


@pytest.mark.parametrize("permille", [10, 50, 250, 500, 900])
@pytest.mark.parametrize("model", ["m", "another/model"])
def test_the_part_of_tenants_is_what_is_asked_for(model: str, permille: int) -> None:
    served = sum(is_on_canary(model, each, "", permille=permille) for each in TENANTS)
    # Three parts in a hundred of all; of a small part, a third of it.
    assert abs(served / len(TENANTS) - permille / 1000) < min(0.03, permille / 3000)


def test_so_is_the_part_of_one_tenant_s_sessions() -> None:
    served = sum(is_on_canary("m", 1, f"s{n}", permille=200) for n in TENANTS)
    assert served / len(TENANTS) == pytest.approx(0.2, abs=0.03)


def test_models_are_tried_out_on_others() -> None:
    """Else the same tenants would try everything."""
    one, other = (
        {each for each in TENANTS if is_on_canary(model, each, "", permille=500)}
        for model in ("m", "n")
    )
    assert len(one & other) == pytest.approx(2500, abs=300)


def test_a_request_s_own_side_is_preferred() -> None:
    candidates = fleet(False, True, False, True)
    on = next(n for n in TENANTS if is_on_canary("m", n, "", permille=300))
    off = next(n for n in TENANTS if not is_on_canary("m", n, "", permille=300))
    for tenant_id, own in ((on, [2, 4]), (off, [1, 3])):
        sided = preferred(ask(tenant_id=tenant_id), candidates, permille=300)
        assert ids(sided) == own


def test_a_session_has_its_own_side() -> None:
    sides = {
        tuple(ids(preferred(ask(session=f"s{n}"), fleet(False, True), permille=500)))
        for n in range(40)
    }
    assert sides == {(1,), (2,)}


@given(tenant_id=st.integers(1, 10_000), permille=_PERMILLE)
def test_where_one_side_has_none_the_other_serves(
    tenant_id: int, permille: int
) -> None:
    asked = ask(tenant_id=tenant_id)
    for candidates in (fleet(True, True), fleet(False, False), []):
        assert preferred(asked, candidates, permille=permille) == candidates
