"""Plan terms and periods for tests of pure functions."""

import datetime as dt
import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from metering.subscriptions.terms import Held, PlanTerms
from metering.usage.spans import Span
from metering.usage.zones import Day, days_after, first_day

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def plan(version_id: int = 1, fee: int | str = 0, **fields: Any) -> PlanTerms:
    """Return a version's terms, in USD unless another currency is given."""
    stated: dict[str, Any] = {"name": f"Plan {version_id}", "currency": "USD"}
    return PlanTerms(
        version_id=version_id, number=1, fee=Fraction(fee), **{**stated, **fields}
    )


def held(
    terms: PlanTerms,
    starts_on: dt.date,
    ends_on: dt.date | None = None,
    *,
    agreed_at: dt.datetime = LONG_AGO,
    end_agreed_at: dt.datetime | None = None,
) -> Held:
    """Return a subscription that was long known, unless another instant is given."""
    if ends_on is not None and end_agreed_at is None:
        end_agreed_at = agreed_at
    return Held(
        plan=terms,
        starts_on=starts_on,
        ends_on=ends_on,
        agreed_at=agreed_at,
        end_agreed_at=end_agreed_at,
    )


def spans_of(days: Sequence[Day]) -> list[Span]:
    """Return the periods that lie in a run of days, the last one wholly or in part."""
    return [
        Span(group[0].period_start, group[0].period_end, group[0].starts_at, end)
        for group in _by_period(days)
        for end in [group[-1].ends_at]
    ]


def periods(
    at: dt.datetime,
    *,
    zone: str = "UTC",
    period_day: int = 1,
    next_day: int | None = None,
    months: int = 6,
) -> list[Span]:
    """Return the periods from an instant on, whole ones but for what a new day cuts.

    `next_day` is the day of the month for periods after the first.
    """
    first = first_day(at, zone, period_day)
    following = days_after(first, zone, next_day or period_day)
    days = [first, *itertools.islice(following, 31 * (months + 1))]
    return spans_of(days)[:months]


def month(first: str) -> Span:
    """Return a calendar month in UTC by its first date."""
    at = dt.datetime.fromisoformat(f"{first}T00:00Z")
    return periods(at, months=1)[0]


def _by_period(days: Sequence[Day]) -> list[list[Day]]:
    return [
        list(group)
        for _, group in itertools.groupby(days, lambda day: day.period_start)
    ]
