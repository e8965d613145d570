"""The figures of the usage page: answers of the usage selector, and their comparison.

All that is added up here are rows of one answer. Whole days are asked for twice, once
divided and once over time: the second answer tells only the largest parts apart, so
that a thousand keys over three months draw as cheaply as four. Hours and minutes are
asked for once, since their sums come from single events.

Failure: a chart that the selector refuses leaves its place empty with the reason, and
so does a comparison; the table stands. A table that is refused is `InvalidRequest`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from kit.errors import InvalidRequest, NotFound
from metering.usage.periods import period_of
from metering.usage.report import Group, Measures
from metering.usage.selectors import UsageQuery, UsageReport, UsageRow, usage
from pages.console.usage.choice import ONE_DAY, By, Choice, Show, Span

TOLD_MAX = 4
NO_ROOM = "No chart has room for so long a range: choose a shorter one."
_MEASURES = tuple(field.name for field in fields(Measures))
Reach = frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Before:
    """The same length of time before: what was used then, or why it is not known."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None
    report: UsageReport | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is about, and how it was before."""

    names: tuple[str, ...]
    use: UsageRow
    before_picos: int | None
    whole_picos: int


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the page shows, as of one moment."""

    rows: list[Row]
    divided: UsageReport
    over_time: UsageReport | None
    told: tuple[Group, ...]
    refusal: str
    before: Before


def findings(choice: Choice, *, now: dt.datetime, reach: Reach) -> Findings:
    """Ask for the usage of a choice, over time, and as it was before."""
    divided, over_time, refusal = _asked(choice, now=now, reach=reach)
    before = _before(choice, now=now, reach=reach)
    return Findings(
        rows=_rows(choice, divided, before.report),
        divided=divided,
        over_time=over_time,
        told=_largest(choice, divided),
        refusal=refusal,
        before=before,
    )


def over_time_in_full(choice: Choice, *, now: dt.datetime, reach: Reach) -> UsageReport:
    """Return every group of every column, for a file; raises `InvalidRequest`."""
    if choice.bucket is None:
        raise InvalidRequest(NO_ROOM, param="bucket")
    return usage(_question(choice, reach, is_over_time=True), now=now)


def name_of(group: Group, by: By) -> str:
    """Return what one side of a group is called."""
    names = {
        By.MODEL: group.model,
        By.PROJECT: group.project,
        By.KEY: group.api_key,
        By.MEMBER: group.member,
    }
    return names[by] or ("nobody's keys" if by is By.MEMBER else "?")


def value_of(row: Measures, show: Show) -> int:
    """Return what the columns measure."""
    if show is Show.SPEND:
        return row.charge_picos
    if show is Show.REQUESTS:
        return row.requests
    return row.input_tokens + row.cached_input_tokens + row.output_tokens


def _asked(
    choice: Choice, *, now: dt.datetime, reach: Reach
) -> tuple[UsageReport, UsageReport | None, str]:
    """Return usage divided, and over time or why not."""
    if not choice.range.is_days and choice.bucket is not None:
        try:
            over_time = usage(_question(choice, reach, is_over_time=True), now=now)
        except InvalidRequest:
            # More groups than an answer holds: the largest are asked for below.
            pass
        else:
            return _without_time(over_time), over_time, ""
    divided = usage(_question(choice, reach), now=now)
    if choice.bucket is None:
        return divided, None, NO_ROOM
    question = _question(choice, reach, is_over_time=True)
    told = replace(question, among=_largest(choice, divided))
    try:
        return divided, usage(told, now=now), ""
    except InvalidRequest as refused:
        return divided, None, refused.message


def _question(
    choice: Choice, reach: Reach, *, is_over_time: bool = False
) -> UsageQuery:
    time = (choice.bucket.dimension,) if is_over_time and choice.bucket else ()
    start, end = choice.range.start, choice.range.end
    return choice.question(start, end, *time, reach=reach)


def _without_time(report: UsageReport) -> UsageReport:
    """Return the same usage, divided by all that it was but time."""
    sums: dict[tuple[str, Group], Measures] = {}
    for row in report.rows:
        key = row.currency, replace(row.group, day=None, hour=None, minute=None)
        sums[key] = sums[key].plus(row) if key in sums else row
    rows = tuple(
        UsageRow(group=group, **{name: getattr(measures, name) for name in _MEASURES})
        for (_, group), measures in sums.items()
    )
    return replace(report, rows=rows)


def _largest(choice: Choice, divided: UsageReport) -> tuple[Group, ...]:
    """Return the groups that are drawn by themselves, the largest first."""
    sums: dict[Group, int] = {}
    for row in divided.rows:
        if choice.show is Show.SPEND and row.currency != choice.tenant.currency:
            continue
        sums[row.group] = sums.get(row.group, 0) + value_of(row, choice.show)
    ranked = sorted(sums, key=lambda group: -sums[group])
    # One that is left over needs no name for others.
    return tuple(ranked[: TOLD_MAX + 1 if len(ranked) == TOLD_MAX + 1 else TOLD_MAX])


def _before(choice: Choice, *, now: dt.datetime, reach: Reach) -> Before:
    """Ask for the time before, as long as what has passed of the range."""
    asked = choice.range
    if now <= asked.starts_at:
        return Before(why_not="nothing of the range has passed")
    try:
        first = _first_before(choice)
    except NotFound:
        return Before(why_not="the tenant was not there before")
    earlier = replace(asked, start=first, end=asked.start)
    end, ends_at = earlier.end, asked.starts_at
    if now < asked.ends_at:
        ends_at = min(earlier.starts_at + (now - asked.starts_at), asked.starts_at)
        end = ends_at
    try:
        report = usage(choice.question(first, end, reach=reach), now=now)
    except InvalidRequest as refused:
        return Before(why_not=refused.message)
    return Before(earlier.starts_at, ends_at, report)


def _first_before(choice: Choice) -> dt.date:
    asked = choice.range
    if asked.span in {Span.PERIOD, Span.LAST_PERIOD}:
        found = period_of(tenant_id=choice.tenant.pk, date=asked.start - ONE_DAY)
        return found.first_date
    return asked.start - asked.length


def _rows(
    choice: Choice, divided: UsageReport, before: UsageReport | None
) -> list[Row]:
    earlier = {
        (row.currency, _identity(row.group, choice.parts)): row.charge_picos
        for row in (before.rows if before else ())
    }
    wholes = {total.currency: total.charge_picos for total in divided.totals}
    return [
        Row(
            names=tuple(name_of(row.group, by) for by in choice.parts),
            use=row,
            before_picos=earlier.get(
                (row.currency, _identity(row.group, choice.parts)), 0
            )
            if before
            else None,
            whole_picos=wholes[row.currency],
        )
        for row in divided.rows
    ]


def _identity(group: Group, parts: Sequence[By]) -> tuple[object, ...]:
    return tuple(id_of(group, by) for by in parts)


def id_of(group: Group, by: By) -> object:
    """Return what tells one side of a group from all others."""
    ids = {
        By.MODEL: group.model,
        By.PROJECT: group.project_id,
        By.KEY: group.api_key_id,
        By.MEMBER: group.member_id,
    }
    return ids[by]
