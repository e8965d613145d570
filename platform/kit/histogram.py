"""How many values fell into which range, counted in plain integers.

Pure, and cheap enough for every request: one bisection and two additions. Whoever shows
a histogram adds the ranges up. Values and bounds are integers of the caller's own unit.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

# Microseconds: what people feel (1 ms) up to what they give up on (5 minutes).
DURATION_BOUNDS_US = tuple(
    ms * 1000
    for ms in (
        *(1, 2, 5, 10, 25, 50, 100, 250, 500),
        *(1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000),
    )
)


class Histogram:
    """Counts values by the smallest bound that they do not exceed."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[int] = DURATION_BOUNDS_US) -> None:
        if list(bounds) != sorted(set(bounds)):
            raise ValueError("the bounds must rise")
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0

    def observe(self, value: int, times: int = 1) -> None:
        """Count one value, so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times

    def cumulative(self) -> Iterator[tuple[int | None, int]]:
        """Yield each bound with the count of values up to it; None bounds nothing."""
        return zip((*self._bounds, None), accumulate(self._counts), strict=True)

    def filled(self) -> Iterator[tuple[int | None, int]]:
        """Yield the bounds that values fell under, each with how many; None: above."""
        for bound, count in zip((*self._bounds, None), self._counts, strict=True):
            if count:
                yield bound, count


def quantile(
    counts: Mapping[int | None, int], permille: int, *, bounds: Sequence[int]
) -> int | None:
    """Return the value that so many of a thousand do not exceed; None of no values.

    Within a range values are taken to lie evenly, as Prometheus does; of those above
    the last bound no more is known than that bound. `counts` is by range, as `filled`
    tells it, and may be the sum of several.
    """
    total = sum(counts.values())
    if not total:
        return None
    wanted = -(-total * permille // 1000) or 1
    below, lower = 0, 0
    for bound in bounds:
        here = counts.get(bound, 0)
        if below + here >= wanted:
            return lower + (bound - lower) * (wanted - below) // here
        below, lower = below + here, bound
    return lower
