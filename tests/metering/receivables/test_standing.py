"""An invoice's state is a function of the facts, and impossible facts are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.receivables.standing import (
    Facts,
    ReceivableInvariantError,
    State,
    state_of,
)

PARTS = st.integers(0, 10**12)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (Facts(False, 100), State.DRAFT),
        (Facts(False, -100), State.DRAFT),
        (Facts(True, 100), State.OPEN),
        (Facts(True, 100, received_minor=99), State.OPEN),
        (Facts(True, 100, received_minor=100), State.PAID),
        (Facts(True, 100, received_minor=130, refunded_minor=30), State.PAID),
        (Facts(True, 100, received_minor=100, refunded_minor=1), State.OPEN),
        (Facts(True, 0), State.PAID),
        (Facts(True, 0, drawn_minor=100), State.PAID),
        (Facts(True, 0, drawn_minor=9, noted_minor=4, restored_minor=4), State.PAID),
        (Facts(True, 0, drawn_minor=9, noted_minor=9, restored_minor=9), State.VOID),
        (Facts(True, 100, noted_minor=100), State.VOID),
        (Facts(True, 100, noted_minor=40, received_minor=60), State.PAID),
        (Facts(True, 100, noted_minor=40), State.OPEN),
        (
            Facts(True, 100, received_minor=100, refunded_minor=100, noted_minor=100),
            State.VOID,
        ),
        (Facts(True, 100, written_off_minor=100), State.UNCOLLECTIBLE),
        (Facts(True, 100, written_off_minor=30), State.OPEN),
        # It charges 5 again that credit had paid, and was charged back.
        (Facts(True, 105, drawn_minor=-5, received_minor=105), State.PAID),
        (Facts(True, 105, drawn_minor=-5, noted_minor=100), State.OPEN),
        (
            Facts(True, 105, drawn_minor=-5, noted_minor=100, received_minor=5),
            State.PAID,
        ),
        (
            Facts(True, 100, written_off_minor=30, received_minor=70),
            State.UNCOLLECTIBLE,
        ),
    ],
)
def test_the_state_follows_from_what_happened(facts: Facts, state: State) -> None:
    assert state_of(facts) == state


@pytest.mark.parametrize(
    "facts",
    [
        Facts(True, 100, received_minor=101),
        Facts(True, 100, refunded_minor=1),
        Facts(True, 100, noted_minor=101),
        Facts(True, 100, written_off_minor=-1),
        Facts(True, 100, drawn_minor=5, noted_minor=6, restored_minor=6),
        Facts(True, 100, drawn_minor=-5, noted_minor=1, restored_minor=1),
        Facts(True, -1),
    ],
)
def test_facts_that_cannot_be_are_an_error(facts: Facts) -> None:
    with pytest.raises(ReceivableInvariantError):
        state_of(facts)


@given(PARTS, PARTS, PARTS, PARTS)
def test_it_is_open_exactly_while_something_is(
    open_minor: int, paid: int, noted: int, lost: int
) -> None:
    facts = Facts(
        True,
        open_minor + paid + noted + lost,
        received_minor=paid,
        noted_minor=noted,
        written_off_minor=lost,
    )
    assert facts.open_minor == open_minor
    assert (state_of(facts) == State.OPEN) == (open_minor > 0)
