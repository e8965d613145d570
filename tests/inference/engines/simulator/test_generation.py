"""Pacing, on a loop whose clock is the test's: to the millisecond."""

from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.settings import Behaviour
from tests.inference.engines.simulator.virtual import (
    VirtualLoop,
    order,
    written_at,
)


def token_times(writes: list[tuple[int, bytes]]) -> list[int]:
    """Return the times of the token events."""
    return [at for at, data in writes if b'"content":" t' in data]


@given(st.integers(0, 500), st.integers(0, 50), st.integers(1, 60))
def test_tokens_are_due_at_absolute_times(first: int, pause: int, count: int) -> None:
    behaviour = Behaviour(first_token_ms=first, inter_token_ms=pause)
    writes = written_at(order(count), behaviour)
    assert writes[0][0] == 0
    assert token_times(writes) == [first + pause * number for number in range(count)]


def test_a_late_loop_catches_up() -> None:
    def stall(loop: VirtualLoop, number: int) -> None:
        # The head and the role are writes one and two: this is the third token.
        if number == 5:
            loop.virtual.waited_s += 0.055

    behaviour = Behaviour(first_token_ms=10, inter_token_ms=10)
    times = token_times(written_at(order(12), behaviour, stall=stall))
    assert times == [10, 20, 30, 85, 85, 85, 85, 85, 90, 100, 110, 120]


def test_each_token_is_one_write() -> None:
    writes = written_at(order(5), Behaviour())
    assert [data.count(b"data: ") for _, data in writes] == [0, 1, 1, 1, 1, 1, 1, 1, 1]


def test_choices_advance_together_and_end_apart() -> None:
    writes = written_at(order(3, 1, 2), Behaviour(inter_token_ms=10))
    assert token_times(writes) == [0, 0, 0, 10, 10, 20]
    finishes = [
        (at, data) for at, data in writes if b'"finish_reason":"length"' in data
    ]
    assert [at for at, _ in finishes] == [0, 10, 20]
    for index, (_, data) in zip((1, 2, 0), finishes, strict=True):
        assert b'"index":%d' % index in data


def test_an_unstreamed_answer_takes_as_long_as_a_streamed_one() -> None:
    behaviour = Behaviour(first_token_ms=30, inter_token_ms=10)
    (written,) = written_at(order(5, stream=False), behaviour)
    assert written[0] == 30 + 4 * 10
    (written,) = written_at(order(5, stream=False), Behaviour(first_token_ms=30))
    assert written[0] == 30
