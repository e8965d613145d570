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
    coming = _days(max(last + ONE_DAY, first), end)
    if used is None:
        return Forecast(so_far, so_far, so_far, so_far, len(coming), 0)
    since = max(start, min(used, began or used))
    sampled = _days(since, last + ONE_DAY)
    by_weekday: dict[int, list[int]] = {}
    for day in sampled:
        by_weekday.setdefault(day.weekday(), []).append(days.get(day, 0))
    every = [picos for some in by_weekday.values() for picos in some]
    low, high, sums = 0, 0, Counter[int]()
    for weekday, count in Counter(day.weekday() for day in coming).items():
        same = by_weekday.get(weekday) or every
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
        left=len(coming),
        sampled=len(sampled),
    )


def _days(since: dt.date, until: dt.date) -> list[dt.date]:
    return [since + n * ONE_DAY for n in range((until - since).days)]
