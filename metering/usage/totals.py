"""Which sums over tenants a question is read from: hours, days and months of UTC.

Of a month that a range holds in part, its days are added up, or the days that the range
leaves out are taken from the month: whichever are fewer. Failure: none of its own;
totals that lag far behind are said to, and answers come from other sums.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from kit.orm.atomic import cursor
from metering.usage.question import Scope
from metering.usage.report import Dimension, UsageQuery
from metering.usage.totals_sql import LAG

LAG_MAX = 50_000
"""How many events are read one by one rather than all the answer from elsewhere."""
_ONE_DAY = dt.timedelta(days=1)
_ONE_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class UtcSpan:
    """Days or months of UTC from `first` to before `until`, added or taken away."""

    is_month: bool
    first: dt.date
    until: dt.date
    sign: int


def totals_lag() -> int:
    """Return how many events days are ahead of totals."""
    with cursor() as session:
        session.execute(LAG)
        (events,) = session.fetchone()
    return int(events)


def totals_parameters(query: UsageQuery, scope: Scope) -> dict[str, Any]:
    """Return what the statements of `totals_sql` are asked with besides the rest."""
    first, last = _whole_hours(scope.start, scope.end)
    by_day = Dimension.DAY in query.group_by
    start, end = (each.astimezone(dt.UTC).date() for each in (scope.start, scope.end))
    spans = [UtcSpan(False, start, end, 1)] if by_day else utc_spans(start, end)
    return {
        "first": first,
        "last": last,
        "spans_are_months": [each.is_month for each in spans],
        "spans_first": [each.first for each in spans],
        "spans_end": [each.until for each in spans],
        "spans_sign": [each.sign for each in spans],
    }


def utc_spans(start: dt.date, end: dt.date) -> list[UtcSpan]:
    """Return the days and months that together are the days of a range."""
    spans: list[UtcSpan] = []
    month = start.replace(day=1)
    whole: dt.date | None = None
    while month < end:
        after = (month + 31 * _ONE_DAY).replace(day=1)
        first, until = max(start, month), min(end, after)
        left_out = (after - month) - (until - first)
        if left_out < until - first:
            whole = whole or month
            spans += [
                UtcSpan(False, one, other, -1)
                for one, other in ((month, first), (until, after))
                if one < other
            ]
        else:
            if whole:
                spans.append(UtcSpan(True, whole, month, 1))
            whole = None
            spans.append(UtcSpan(False, first, until, 1))
        month = after
    if whole:
        spans.append(UtcSpan(True, whole, month, 1))
    return spans


def _whole_hours(
    start: dt.datetime, end: dt.datetime
) -> tuple[dt.datetime, dt.datetime]:
    """Return the bounds of a range's whole hours; inside one hour the first is last."""
    since, until = start.astimezone(dt.UTC), end.astimezone(dt.UTC)
    first = since.replace(minute=0, second=0, microsecond=0)
    if first < since:
        first += _ONE_HOUR
    last = until.replace(minute=0, second=0, microsecond=0)
    return (first, max(first, last)) if first <= until else (until, until)
