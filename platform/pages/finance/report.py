"""The finance page's figures, laid out for reading: the usage report and nothing else.

Every number comes from the usage selector that the management API answers from, all of
one instant, and every sum from its totals: nothing is added up here but counts of
tokens over currencies. Failure: a division that the selector refuses leaves its table
empty with the reason in words, and the others stand.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from kit.errors import InvalidRequest
from metering.usage.report import Measures
from metering.usage.selectors import Dimension, UsageReport, UsageRow, usage
from pages.figures import Amount, RoundedAmount, amount, count, places_of, rounded
from pages.finance.choice import Choice

_PER_MILLE = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: a group, or the sum of a currency."""

    label: str
    requests: str
    input_tokens: str
    cached_input_tokens: str
    output_tokens: str
    spend: Amount
    share: int
    """Of the largest spend in its currency, per mille."""


@dataclass(frozen=True, slots=True)
class Table:
    """Usage divided by one dimension; `refusal` says why there is none."""

    title: str
    heading: str
    slug: str
    lines: list[Line]
    totals: list[Line]
    refusal: str = ""


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
    """All that the page shows of usage, as of one moment."""

    summary: Summary
    tables: list[Table]
    by_day: UsageReport | None
    start: dt.datetime
    end: dt.datetime
    complete_to: dt.datetime
    is_empty: bool


def findings(choice: Choice, *, now: dt.datetime) -> Findings:
    """Ask for the usage of a choice, whole and divided by model, tenant and day."""
    whole = usage(choice.question(), now=now)
    by_day, refusal = _by_day(choice, now)
    by_model = _divided(choice, Dimension.MODEL, now)
    by_tenant = _divided(choice, Dimension.TENANT, now)
    days = (
        _table("By day", "Day", by_day, _day, latest_first=True)
        if by_day
        else Table("By day", "Day", "day", [], [], refusal)
    )
    return Findings(
        summary=_summary(whole.totals),
        tables=[
            _table("By model", "Model", by_model, lambda row: str(row.group.model)),
            _table("By tenant", "Tenant", by_tenant, lambda row: str(row.group.tenant)),
            days,
        ],
        by_day=by_day,
        start=whole.start,
        end=whole.end,
        complete_to=whole.complete_to,
        is_empty=not whole.rows,
    )


def _divided(choice: Choice, dimension: Dimension, now: dt.datetime) -> UsageReport:
    return usage(replace(choice.question(), group_by=(dimension,)), now=now)


def _by_day(choice: Choice, now: dt.datetime) -> tuple[UsageReport | None, str]:
    try:
        return _divided(choice, Dimension.DAY, now), ""
    except InvalidRequest as refused:
        return None, refused.message


def _table(
    title: str,
    heading: str,
    report: UsageReport,
    label: Callable[[UsageRow], str],
    *,
    latest_first: bool = False,
) -> Table:
    # Of a table's amounts the total may need the most places, or a row whose fraction
    # another one makes whole.
    places = places_of(
        (measures.charge_picos, measures.currency)
        for measures in (*report.rows, *report.totals)
    )
    largest = _largest(report.rows)
    rows = report.rows[::-1] if latest_first else sorted(report.rows, key=_dearest)
    return Table(
        title=title,
        heading=heading,
        slug=heading.lower(),
        lines=[
            _line(label(row), row, places=places, largest=largest[row.currency])
            for row in rows
        ],
        totals=[
            _line(f"Total {total.currency}", total, places=places)
            for total in report.totals
        ],
    )


def _dearest(row: UsageRow) -> tuple[str, int]:
    return row.currency, -row.charge_picos


def _day(row: UsageRow) -> str:
    return f"{row.group.day:%Y-%m-%d}"


def _largest(rows: Iterable[UsageRow]) -> dict[str, int]:
    largest: dict[str, int] = {}
    for row in rows:
        largest[row.currency] = max(largest.get(row.currency, 0), row.charge_picos)
    return largest


def _line(label: str, measures: Measures, *, places: int, largest: int = 0) -> Line:
    return Line(
        label=label,
        requests=count(measures.requests),
        input_tokens=count(measures.input_tokens),
        cached_input_tokens=count(measures.cached_input_tokens),
        output_tokens=count(measures.output_tokens),
        spend=amount(measures.charge_picos, measures.currency, places=places),
        share=per_mille(measures.charge_picos, largest),
    )


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
