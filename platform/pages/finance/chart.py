"""Spend by day as columns, one chart per currency, drawn on the server. Pure.

A chart starts at zero, shows days without use as such, and marks the day that is not
over. Its twin is the table by day, which holds the same numbers. Failure: a range of
too many days for columns to be told apart has no chart.
"""

import datetime as dt
from dataclasses import dataclass

from metering.usage.selectors import UsageReport
from pages.figures import rounded
from pages.finance.choice import ONE_DAY
from pages.finance.report import per_mille

DAYS_MAX = 92
COLUMN_WIDTH = 10
_GAP = 2
HEIGHT = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One day: where it stands, how high, and what to say of it."""

    left: int
    x: int
    y: int
    height: int
    text: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The columns of one currency, and a sentence that tells what they show."""

    currency: str
    columns: list[Column]
    width: int
    step: int
    bar_width: int
    height: int
    highest: str
    first: str
    last: str
    sentence: str


def charts(
    report: UsageReport, *, first: dt.date, last: dt.date, today: dt.date
) -> list[Chart]:
    """Draw a chart for each currency of a report by day; days to come are left out."""
    end = min(last, today)
    days = [first + ONE_DAY * number for number in range((end - first).days + 1)]
    if not 2 <= len(days) <= DAYS_MAX:
        return []
    spend: dict[str, dict[dt.date, int]] = {}
    for row in report.rows:
        if row.group.day is not None:
            spend.setdefault(row.currency, {})[row.group.day] = row.charge_picos
    return [_chart(name, spend[name], days, today) for name in sorted(spend)]


def _chart(
    currency: str, spend: dict[dt.date, int], days: list[dt.date], today: dt.date
) -> Chart:
    peak = max(days, key=lambda day: spend.get(day, 0))
    highest = rounded(spend.get(peak, 0), currency).shown
    return Chart(
        currency=currency,
        columns=[
            _column(
                number,
                per_mille(spend.get(day, 0), spend.get(peak, 0)),
                f"{day}: {rounded(spend.get(day, 0), currency).shown}"
                + (", so far" if day == today else ""),
                is_running=day == today,
            )
            for number, day in enumerate(days)
        ],
        width=len(days) * COLUMN_WIDTH,
        step=COLUMN_WIDTH,
        bar_width=COLUMN_WIDTH - _GAP,
        height=HEIGHT,
        highest=highest,
        first=str(days[0]),
        last=str(days[-1]),
        sentence=(
            f"Spend in {currency} by day, {days[0]} to {days[-1]}. "
            f"Highest on {peak}: {highest}."
        ),
    )


def _column(number: int, height: int, text: str, *, is_running: bool) -> Column:
    # Less than a hairline could not be seen, and a day with use is not one without.
    seen = max(height, 8) if height else 0
    return Column(
        left=number * COLUMN_WIDTH,
        x=number * COLUMN_WIDTH + _GAP // 2,
        y=HEIGHT - seen,
        height=seen,
        text=text,
        is_running=is_running,
    )
