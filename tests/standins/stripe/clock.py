"""A clock that tests move: keys are forgotten after a day without waiting for one."""

import threading
import time
from collections.abc import Callable


class VirtualClock:
    """The host's time plus what tests have added to it."""

    def __init__(self) -> None:
        self._added_s = 0.0
        self._lock = threading.Lock()
        # Called after each move, for what waits for a time.
        self.moved: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return seconds since 1970."""
        with self._lock:
            return time.time() + self._added_s

    @property
    def added_s(self) -> float:
        """Return how far tests have moved it."""
        with self._lock:
            return self._added_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        if seconds < 0:
            raise ValueError("the clock never runs backwards")
        with self._lock:
            self._added_s += seconds
        for call in self.moved:
            call()
