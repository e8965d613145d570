"""Places for sequences: so many run at once, the others wait in the order they came.

A sequence is one choice of one request, as in vLLM's scheduler. Choices of a request
that do not all find a place run one after another. Owns: who waits, and both gauges.
Failure: whoever leaves gives its places back and waits no longer; the next in line has
them at once.
"""

from collections import OrderedDict
from typing import Protocol

from inference.engines.simulator.counters import Counters


class Waiter(Protocol):
    """A request that has more sequences than places."""

    def admit(self, count: int) -> None:
        """Run `count` more sequences, but not before the caller has returned."""


class SequenceQueue:
    """First come, first served; `places` 0 means that nobody ever waits."""

    __slots__ = ("_counters", "_places", "_waiting")

    def __init__(self, counters: Counters, *, places: int) -> None:
        """Start empty."""
        self._counters = counters
        self._places = places
        # Not a plain dict: that one slows down when it is emptied from the front.
        self._waiting: OrderedDict[Waiter, int] = OrderedDict()

    def would_wait(self, count: int) -> int:
        """Return how many of `count` new sequences would have to wait."""
        return count - self._free(count)

    def enter(self, waiter: Waiter, count: int) -> int:
        """Return how many of `count` sequences may run now; `waiter` hears of the rest.

        Each request enters once.
        """
        counters = self._counters
        if self._places:
            waiting = self.would_wait(count)
            if waiting:
                self._waiting[waiter] = waiting
                counters.waiting_sequences += waiting
                count -= waiting
        counters.running_sequences += count
        return count

    def release(self, count: int) -> None:
        """Take back the places of `count` sequences that have ended."""
        self._counters.running_sequences -= count
        if self._waiting:
            self._admit()

    def leave(self, waiter: Waiter, held: int) -> None:
        """Forget a request that holds `held` places and may still wait for more."""
        if self._waiting:
            self._counters.waiting_sequences -= self._waiting.pop(waiter, 0)
        if held:
            self.release(held)

    def resize(self, places: int) -> None:
        """Have this many places from now on; what runs, runs on."""
        self._places = places
        self._admit()

    def _free(self, wanted: int) -> int:
        """Return how many of `wanted` sequences fit: none while somebody waits."""
        if not self._places:
            return wanted
        return min(wanted, max(0, self._places - self._counters.running_sequences))

    def _admit(self) -> None:
        counters = self._counters
        while self._waiting:
            waiter, wanted = next(iter(self._waiting.items()))
            count = self._free(wanted)
            if not count:
                return
            if count == wanted:
                del self._waiting[waiter]
            else:
                self._waiting[waiter] = wanted - count
            counters.waiting_sequences -= count
            counters.running_sequences += count
            waiter.admit(count)
