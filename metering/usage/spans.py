"""The dates of billing periods, by arithmetic. Pure.

A period begins on one day of the month, the tenant's `period_day`, and ends where the
next one begins. Only where that day was changed, or a tenant is new, is a period
shorter than from one such day to the next; it is never longer.

Failure: none; every date has a period. Owns: the arithmetic of months.
"""

import datetime as dt
from dataclasses import dataclass
from fractions import Fraction

_ONE_DAY = dt.timedelta(days=1)
# February has no later day in every year.
PERIOD_DAY_MAX = 28


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open dates and UTC instants of a billing period."""

    first_date: dt.date
    end_date: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime

    @property
    def name(self) -> str:
        """Return `2026-11` for a calendar month, else its first and last date."""
        if self.first_date.day == self.end_date.day == 1:
            return f"{self.first_date:%Y-%m}"
        return f"{self.first_date} to {self.end_date - _ONE_DAY}"

    @property
    def full_days(self) -> int:
        """Return how many days a whole period that ends here has.

        They are those of the period itself, unless it begins late because the tenant
        or its period's day is new.
        """
        return (self.end_date - month_before(self.end_date)).days

    def share_of(self, first_date: dt.date, end_date: dt.date) -> Fraction:
        """Return which part of a whole period the days from one date to another are."""
        return Fraction((end_date - first_date).days, self.full_days)


def next_start(date: dt.date, period_day: int) -> dt.date:
    """Return the first date after this one on which a period begins."""
    following = date.replace(day=1) + 31 * _ONE_DAY
    month = date if date.day < period_day else following
    return month.replace(day=period_day)


def start_of(date: dt.date, period_day: int) -> dt.date:
    """Return the last date up to this one on which a period begins."""
    month = date if date.day >= period_day else date.replace(day=1) - _ONE_DAY
    return month.replace(day=period_day)


def month_before(date: dt.date) -> dt.date:
    """Return the same day of the month before; the day is at most the 28th."""
    return (date.replace(day=1) - _ONE_DAY).replace(day=date.day)
