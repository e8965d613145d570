"""Limits are exact however many processes ask."""

from tests.inference.limiting.bursts import burst
from tests.inference.limiting.store import Store


def test_four_processes_get_the_limit_and_what_is_refilled(store: Store) -> None:
    done = burst(store, name="burst", limit=200, window_us=20_000_000)
    assert done.allowed >= done.limit
    assert abs(done.allowed - done.expected) <= 1
