"""What an account does later by itself, in the order of its clock.

Owns: the jobs. Failure: a job that raises is a fault of the stand-in, and is seen by
whoever moved the clock or sent the request that found it due.
"""

import heapq
from collections.abc import Callable, Iterator

Job = Callable[[], object]


class Agenda:
    """Jobs by the second at which they are due; of one second, the first come first."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, int, Job]] = []
        self._serial = 0

    def add(self, at: int, job: Job) -> None:
        """Note a job."""
        self._serial += 1
        heapq.heappush(self._jobs, (at, self._serial, job))

    def due(self, now: float) -> Iterator[tuple[int, Job]]:
        """Take off what is due, also what the jobs add that is due already."""
        while self._jobs and self._jobs[0][0] <= now:
            at, _, job = heapq.heappop(self._jobs)
            yield at, job
