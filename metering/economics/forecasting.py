"""Where a month will likely end: what was so far, and the rest by its weekdays. Pure.

Each day that is left is taken to be the mean of the same weekday over the last 28 days
that are in the books; its range is the lowest to the highest of them. What began within
those days counts from its first day. Failure: without any day nothing is estimated.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from kit.money import PICOS_PER_UNIT, whole_picos

SAMPLE_DAYS = 28
ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A month's amount: so far, and where it will likely end, in picos.

    `sampled` days were looked at for `left` that are still to come; without any, the
    estimate is what there is so far.
    """

    so_far_picos: int
    estimate_picos: int
    low_picos: int
    high_picos: int
    left: int
    sampled: int


def forecast(
    days: Mapping[dt.date, int],
    *,
    first: dt.date,
    end: dt.date,
    last: dt.date,
    began: dt.date | None = None,
) -> Forecast:
    """Forecast the month of `first` to before `end`, known up to and with `last`.

    Who `began` later than the days looked at counts from then, or from its first use.
    """
    so_far = sum(picos for day, picos in days.items() if first <= day <= last)
    start = last - (SAMPLE_DAYS - 1) * ONE_DAY
    used = min((day for day in days if start <= day <= last), default=None)
    coming_from = max(last + ONE_DAY, first)
    left = max((end - coming_from).days, 0)
    if used is None:
        return Forecast(so_far, so_far, so_far, so_far, left, 0)
    since = max(start, min(used, began or used))
    by_weekday = {
        weekday: [days.get(day, 0) for day in some]
        for weekday, some in _by_weekday(since, last).items()
    }
    every = [picos for some in by_weekday.values() for picos in some]
    low, high, sums = 0, 0, Counter[int]()
    for weekday, some in _by_weekday(coming_from, end - ONE_DAY).items():
        same, count = by_weekday.get(weekday) or every, len(some)
        # Means are added once all of one denominator are: there are thousands of them.
        sums[len(same)] += count * sum(same)
        low += count * min(same)
        high += count * max(same)
    mean = sum((Fraction(picos, days) for days, picos in sums.items()), Fraction())
    rest = whole_picos(mean / PICOS_PER_UNIT)
    return Forecast(
        so_far_picos=so_far,
        estimate_picos=so_far + rest,
        low_picos=so_far + min(low, rest),
        high_picos=so_far + max(high, rest),
        left=left,
        sampled=len(every),
    )


@lru_cache(maxsize=256)
def _by_weekday(since: dt.date, last: dt.date) -> dict[int, tuple[dt.date, ...]]:
    """Return the days from one to another by weekday; alike for most tenants."""
    found: dict[int, list[dt.date]] = {}
    for n in range((last - since).days + 1):
        day = since + n * ONE_DAY
        found.setdefault(day.weekday(), []).append(day)
    return {weekday: tuple(some) for weekday, some in found.items()}
