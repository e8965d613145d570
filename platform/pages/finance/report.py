"""The finance page's figures, laid out for reading: the usage report and nothing else.

Every number comes from the usage selector that the management API answers from, all of
one instant. All that is added up here are its own rows: hours into their range, small
series into one, counts over currencies. Of many tenants few are drawn apart (`few`).
Failure: a chart that the selector refuses, or that no page has room for, leaves its
place empty with the reason in words, and the table stands.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from kit.errors import InvalidRequest, NotFound
from metering.usage.report import Group, Measures
from metering.usage.selectors import (
    Dimension,
    UsageReport,
    UsageRow,
    billing_day,
    usage,
)
from metering.usage.streaming import every_row
from metering.usage.zones import date_at
from pages.figures import RoundedAmount, count, rounded
from pages.finance.buckets import Moment, TimeAxis, days, hours
from pages.finance.choice import DAYS_MAX, By, Choice, Each
from pages.finance.few import few_over_time
from pages.finance.stack import Part, Stack, part_of, stacks

_PER_MILLE = 1000
_MEASURES = tuple(field.name for field in fields(Measures))
NO_ROOM = f"A chart has room for {DAYS_MAX} days at most: choose a shorter range."


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One row of the table: what it is about, what it used, and how much of the most.

    `share` is of the largest spend in its currency, per mille.
    """

    part: Part
    use: UsageRow
    share: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures on top: one spend per currency, and counts over all."""

    spend: list[RoundedAmount]
    requests: str
    input_tokens: str
    cached_input_tokens: str
    output_tokens: str
    reasoning_tokens: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the page shows of usage, as of one moment.

    `refusal` says why there is no stack to draw.
    """

    summary: Summary
    rows: list[UsageLine]
    totals: tuple[Measures, ...]
    stacks: list[Stack]
    refusal: str
    start: dt.datetime
    end: dt.datetime
    complete_to: dt.datetime
    is_empty: bool


def findings(choice: Choice, *, now: dt.datetime, models: Sequence[str]) -> Findings:
    """Ask for the usage of a choice, divided by what it names, and by that over time.

    `models` are all that were ever priced, in order.
    """
    refusal, untold = "", dict[str, int]()
    over_time: UsageReport | None = None
    if choice.each is None:
        divided, refusal = usage(choice.question(), now=now), NO_ROOM
    elif choice.tenant is None and choice.by is not By.MODEL:
        divided = usage(choice.question(), now=now)
        try:
            over_time, untold = few_over_time(choice, divided, models, now=now)
        except InvalidRequest as refused:
            refusal = refused.message
    else:
        over_time, refusal = _over_time(choice, now=now)
        # Parts of days are counted from single events; their hours are sums already.
        divided = (
            _without_time(over_time)
            if over_time is not None and choice.period.is_hours
            else usage(choice.question(), now=now)
        )
    found = (
        stacks(
            over_time,
            _axis(choice, over_time, now=now),
            choice,
            models=models,
            untold=untold,
        )
        if over_time is not None
        else []
    )
    return Findings(
        summary=_summary(divided.totals),
        rows=rows_of(choice, divided, models),
        totals=divided.totals,
        stacks=found,
        refusal=refusal,
        start=divided.start,
        end=divided.end,
        complete_to=divided.complete_to,
        is_empty=not divided.rows,
    )


def every_line(
    choice: Choice, *, models: Sequence[str], order: Sequence[str]
) -> Iterator[UsageLine]:
    """Yield the table's rows for its file: all of them, a few at a time in memory."""
    for row in every_row(choice.question(), order=order):
        yield UsageLine(part_of(row, choice, models), row, share=0)


def _over_time(choice: Choice, *, now: dt.datetime) -> tuple[UsageReport | None, str]:
    """Return usage by hour or day, or why there is none."""
    try:
        return usage(choice.question(_time(choice)), now=now), ""
    except InvalidRequest as refused:
        return None, refused.message


def _time(choice: Choice) -> Dimension:
    return Dimension.HOUR if choice.each is Each.HOUR else Dimension.DAY


def _without_time(report: UsageReport) -> UsageReport:
    """Return the same usage, divided by all that it was but the hour."""
    sums: dict[tuple[str, Group], Measures] = {}
    for row in report.rows:
        key = row.currency, replace(row.group, hour=None)
        sums[key] = sums[key].plus(row) if key in sums else row
    rows = tuple(
        UsageRow(group=group, **{name: getattr(measures, name) for name in _MEASURES})
        for (_, group), measures in sums.items()
    )
    return replace(report, rows=rows)


def _axis(choice: Choice, report: UsageReport, *, now: dt.datetime) -> TimeAxis:
    present = _moment(choice, now)
    complete = _moment(choice, min(report.complete_to, now))
    if choice.each is Each.HOUR:
        return hours(report.start, report.end, now=present, complete_to=complete)
    return days(
        choice.period.start, choice.period.last, now=present, complete_to=complete
    )


def _moment(choice: Choice, at: dt.datetime) -> Moment:
    if choice.tenant is None:
        return Moment(at, at.astimezone(dt.UTC).date())
    try:
        date = billing_day(tenant=choice.tenant, at=at).date
    except NotFound:
        # Usage may be complete only to before a new tenant's first day.
        date = date_at(at, choice.tenant.zone)
    return Moment(at, date)


def rows_of(
    choice: Choice, report: UsageReport, models: Sequence[str]
) -> list[UsageLine]:
    """Return the table's rows, by currency and the dearest first."""
    largest = _largest(report.rows)
    return [
        UsageLine(
            part=part_of(row, choice, models),
            use=row,
            share=per_mille(row.charge_picos, largest[row.currency]),
        )
        for row in sorted(report.rows, key=_dearest)
    ]


def _dearest(row: UsageRow) -> tuple[str, int]:
    return row.currency, -row.charge_picos


def _largest(rows: Iterable[UsageRow]) -> dict[str, int]:
    largest: dict[str, int] = {}
    for row in rows:
        largest[row.currency] = max(largest.get(row.currency, 0), row.charge_picos)
    return largest


def per_mille(part: int, whole: int) -> int:
    """Return a length for the eye: something is never shown as nothing."""
    if part <= 0 or whole <= 0:
        return 0
    return max(part * _PER_MILLE // whole, 1)


def _summary(totals: tuple[Measures, ...]) -> Summary:
    return Summary(
        spend=[rounded(total.charge_picos, total.currency) for total in totals],
        requests=count(sum(total.requests for total in totals)),
        input_tokens=count(sum(total.input_tokens for total in totals)),
        cached_input_tokens=count(sum(total.cached_input_tokens for total in totals)),
        output_tokens=count(sum(total.output_tokens for total in totals)),
        reasoning_tokens=count(sum(total.reasoning_tokens for total in totals)),
    )
