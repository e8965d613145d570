"""Usage over time, divided into a few parts: what both chart and table are made from.

The largest parts are series of their own, the rest is drawn as one. A part keeps its
shade whatever else is shown, as long as two parts of one chart do not want the same.
Amounts of different currencies are never added: each has a stack. Pure.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from metering.usage.report import Measures
from metering.usage.selectors import UsageReport, UsageRow
from pages.finance.buckets import TimeAxis
from pages.finance.choice import By, Choice, Each, Show

SERIES_MAX = 4
OTHER_SHADE = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What a row of usage is about: how it is told apart, named and shaded."""

    key: Hashable
    name: str
    within: str
    ordinal: int
    """Its place among all of its kind, which does not change with the range."""


@dataclass(frozen=True, slots=True)
class Series:
    """One part over time: a number for each bucket, in the order of the axis."""

    name: str
    shade: int
    values: list[int]

    @property
    def total(self) -> int:
        """Return the sum over time."""
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Stack:
    """All series of one unit, the largest first; `currency` is empty for counts."""

    show: Show
    by: By
    currency: str
    axis: TimeAxis
    series: list[Series]

    @property
    def totals(self) -> list[int]:
        """Return the sum of all series for each bucket."""
        return [
            sum(series.values[number] for series in self.series)
            for number in range(len(self.axis.buckets))
        ]


def part_of(row: UsageRow, choice: Choice, models: Sequence[str]) -> Part:
    """Return what a row is about; `models` are all that were ever priced, in order."""
    group = row.group
    owner = [] if choice.tenant else [str(group.tenant)]
    match choice.by:
        case By.MODEL:
            name = str(group.model)
            ordinal = models.index(name) if name in models else len(models)
            return Part(name, name, "", ordinal)
        case By.TENANT:
            return Part(group.tenant_id, str(group.tenant), "", group.tenant_id or 0)
        case By.PROJECT:
            ordinal = group.project_id or 0
            return Part(ordinal, str(group.project), " / ".join(owner), ordinal)
        case By.KEY:
            ordinal = group.api_key_id or 0
            within = " / ".join([*owner, str(group.project)])
            return Part(ordinal, str(group.api_key), within, ordinal)


OTHERS: Final = Part(None, "Others", "", 0)
"""All that a question did not tell apart."""
_VALUES: Mapping[Show, Callable[[Measures], int]] = {
    Show.SPEND: lambda row: row.charge_picos,
    Show.TOKENS: lambda row: (
        row.input_tokens + row.cached_input_tokens + row.output_tokens
    ),
    Show.REQUESTS: lambda row: row.requests,
}


def unit_of(row: Measures, show: Show) -> str:
    """Return the currency that a row is drawn in; empty for counts."""
    return row.currency if show is Show.SPEND else ""


def value_of(row: Measures, show: Show) -> int:
    """Return what a row is drawn by."""
    return _VALUES[show](row)


def stacks(
    report: UsageReport,
    axis: TimeAxis,
    choice: Choice,
    *,
    models: Sequence[str],
    untold: Mapping[str, int] | None = None,
) -> list[Stack]:
    """Return a stack for each currency of a report over time, or one of counts.

    `untold` says how many parts the rows that are not told apart are of, by unit.
    """
    value = _VALUES[choice.show]
    sums: dict[str, dict[Part, dict[Hashable, int]]] = {}
    for row in report.rows:
        part = part_of(row, choice, models) if row.group.is_told else OTHERS
        unit = unit_of(row, choice.show)
        over_time = sums.setdefault(unit, {}).setdefault(part, {})
        key = row.group.hour if axis.each is Each.HOUR else row.group.day
        over_time[key] = over_time.get(key, 0) + value(row)
    return [
        Stack(
            choice.show,
            choice.by,
            unit,
            axis,
            _series(parts, axis, (untold or {}).get(unit, 0)),
        )
        for unit, parts in sorted(sums.items())
    ]


def _series(
    parts: Mapping[Part, Mapping[Hashable, int]], axis: TimeAxis, untold: int
) -> list[Series]:
    keys = [bucket.key for bucket in axis.buckets]
    values = {
        part: [over_time.get(key, 0) for key in keys]
        for part, over_time in parts.items()
    }
    told = [part for part in values if part is not OTHERS]
    ranked = sorted(told, key=lambda part: (-sum(values[part]), part.ordinal))
    largest, rest = ranked[:SERIES_MAX], ranked[SERIES_MAX:]
    count = len(rest) + untold
    if untold and OTHERS in values:
        rest.append(OTHERS)
    shades = _shades(largest)
    series = [Series(_full_name(part), shades[part], values[part]) for part in largest]
    if rest:
        columns = zip(*(values[part] for part in rest), strict=True)
        summed = [sum(column) for column in columns]
        name = f"Other ({count:,})" if count > 1 else _full_name(rest[0])
        series.append(Series(name, OTHER_SHADE, summed))
    return series


def _full_name(part: Part) -> str:
    return f"{part.within} / {part.name}" if part.within else part.name


def _shades(parts: Sequence[Part]) -> dict[Part, int]:
    """Give each part the shade of its place, or the next that is free."""
    shades: dict[Part, int] = {}
    for part in sorted(parts, key=lambda part: part.ordinal):
        wanted = part.ordinal % SERIES_MAX
        free = ((wanted + further) % SERIES_MAX + 1 for further in range(SERIES_MAX))
        shades[part] = next(shade for shade in free if shade not in shades.values())
    return shades
