"""Usage of many tenants over time: the largest parts told apart, the rest as one.

Each part of each day would be more rows than anybody draws. So the parts that are drawn
are asked for by name, and the rest is all that there was less these: whole numbers of
one snapshot, in which the page reads. Failure: what the selector refuses is raised.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from metering.usage.report import Group, Measures
from metering.usage.selectors import Dimension, UsageReport, UsageRow, usage
from pages.finance.choice import Choice, Each
from pages.finance.stack import SERIES_MAX, part_of, unit_of, value_of

_COUNTS = tuple(each.name for each in fields(Measures) if each.name != "currency")
_Key = tuple[str, dt.date | None, dt.datetime | None]


def few_over_time(
    choice: Choice, divided: UsageReport, models: Sequence[str], *, now: dt.datetime
) -> tuple[UsageReport, dict[str, int]]:
    """Return the largest parts over time and the rest, and of how many that is.

    By unit: the currency that is drawn, or none for counts.
    """
    told, untold = _largest(choice, divided, models)
    time = Dimension.HOUR if choice.each is Each.HOUR else Dimension.DAY
    whole = usage(replace(choice.question(), group_by=(time,)), now=now)
    few: tuple[UsageRow, ...] = ()
    if told:
        asked = replace(
            choice.question(time),
            among=tuple(told),
            tenants=frozenset(
                group.tenant_id for group in told if group.tenant_id is not None
            ),
        )
        answer = usage(asked, now=now)
        few = tuple(row for row in answer.rows if row.group.is_told)
    return replace(whole, rows=(*few, *_rest(whole.rows, few))), untold


def _largest(
    choice: Choice, divided: UsageReport, models: Sequence[str]
) -> tuple[list[Group], dict[str, int]]:
    """Return the groups that are drawn by themselves, and how many others there are.

    Of one that is drawn in one unit, use in another one is told apart too.
    """
    sums: dict[str, dict[Group, int]] = defaultdict(dict)
    place = {}
    for row in divided.rows:
        unit = unit_of(row, choice.show)
        value = value_of(row, choice.show)
        sums[unit][row.group] = sums[unit].get(row.group, 0) + value
        place[row.group] = part_of(row, choice, models).ordinal
    told: dict[Group, None] = {}
    for values in sums.values():
        ranked = sorted(values, key=lambda group: (-values[group], place[group]))
        # One that is left over needs no name for others.
        alone = len(ranked) == SERIES_MAX + 1
        told |= dict.fromkeys(ranked[: SERIES_MAX + alone])
    untold = {
        unit: sum(group not in told for group in values)
        for unit, values in sums.items()
    }
    return list(told), untold


def _rest(whole: Sequence[UsageRow], few: Sequence[UsageRow]) -> list[UsageRow]:
    """Return what is left of all, by currency and time, once a few are taken away."""
    taken: Mapping[_Key, dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(_COUNTS, 0)
    )
    for row in few:
        sums = taken[_key(row)]
        for name in _COUNTS:
            sums[name] += getattr(row, name)
    return [
        UsageRow(
            currency=row.currency,
            group=replace(row.group, is_told=False),
            **{name: getattr(row, name) - taken[_key(row)][name] for name in _COUNTS},
        )
        for row in whole
    ]


def _key(row: UsageRow) -> _Key:
    return row.currency, row.group.day, row.group.hour
