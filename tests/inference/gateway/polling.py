"""Wait for what other threads and processes bring about; never for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 60.0
_PAUSE_S = 0.005

T = TypeVar("T")


def wait_until(look: Callable[[], T], *, seconds: float = PATIENCE_S) -> T:
    """Look again and again until something true is seen, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {seconds} s, but {seen!r}")
        time.sleep(_PAUSE_S)
