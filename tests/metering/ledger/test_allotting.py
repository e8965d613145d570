"""Which credit pays for what: one order, never too much, whatever is listed first."""

import datetime as dt
import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from metering.ledger.allotting import Allotted, Available, Part, allot

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
MODELS = (None, "a", "b", "c")


@st.composite
def _grants(draw: st.DrawFn) -> list[Available]:
    """Draw grants; so few instants that many of them are equal."""
    instants = st.integers(0, 2).map(lambda days: START + days * DAY)
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 20),
                st.integers(0, 1),
                st.none() | instants,
                instants,
                st.frozensets(st.sampled_from(("a", "b", "c")), max_size=2),
            ),
            max_size=6,
        )
    )
    return [Available(number, *row) for number, row in enumerate(rows)]


_parts = st.lists(
    st.builds(Part, st.sampled_from(MODELS), st.integers(-10, 30)), max_size=6
)


@given(available=_grants(), parts=_parts, seed=st.integers())
def test_the_order_of_what_is_listed_changes_nothing(
    available: list[Available], parts: list[Part], seed: int
) -> None:
    found = allot(available, parts)
    shuffled = random.Random(seed)
    shuffled.shuffle(available)
    shuffled.shuffle(parts)
    assert allot(available, parts) == found


@given(available=_grants())
def test_the_order_of_burning_is_total(available: list[Available]) -> None:
    turns = [each.turn for each in available]
    assert len(set(turns)) == len(turns)
    for one, other in itertools.permutations(available, 2):
        soonest = (
            one.priority,
            one.expires_at or dt.datetime.max.replace(tzinfo=dt.UTC),
        )
        latest = (
            other.priority,
            other.expires_at or dt.datetime.max.replace(tzinfo=dt.UTC),
        )
        assert (one.turn < other.turn) is (
            (*soonest, one.created_at, one.grant_id)
            < (*latest, other.created_at, other.grant_id)
        )


@given(available=_grants(), parts=_parts)
def test_no_more_is_paid_than_there_is_or_than_is_owed(
    available: list[Available], parts: list[Part]
) -> None:
    found = allot(available, parts)
    owed = {
        model: sum(part.picos for part in parts if part.model == model)
        for model in MODELS
    }
    for grant in available:
        paid = [each for each in found if each.grant_id == grant.grant_id]
        assert sum(each.picos for each in paid) <= grant.picos
        assert all(grant.admits(Part(each.model, 0)) for each in paid)
    for model in MODELS:
        paid_for = sum(each.picos for each in found if each.model == model)
        assert paid_for <= max(owed[model], 0)
    assert all(each.picos > 0 for each in found)
    assert sum(each.picos for each in found) <= max(sum(owed.values()), 0)


@given(available=_grants(), parts=_parts)
def test_a_grant_pays_only_once_those_before_it_cannot(
    available: list[Available], parts: list[Part]
) -> None:
    found = allot(available, parts)
    for each in found:
        grant = available[each.grant_id]
        for earlier in available:
            if earlier.turn < grant.turn and earlier.admits(Part(each.model, 0)):
                taken = sum(
                    one.picos for one in found if one.grant_id == earlier.grant_id
                )
                assert taken == earlier.picos


def test_credit_for_anything_leaves_what_only_it_can_pay_for() -> None:
    broad = Available(1, 10, 0, None, START)
    narrow = Available(2, 10, 1, None, START, frozenset({"a"}))
    parts = [Part("a", 10), Part("b", 5), Part(None, 5)]
    assert allot([broad, narrow], parts) == [
        Allotted(1, "b", 5),
        Allotted(1, None, 5),
        Allotted(2, "a", 10),
    ]
