"""A tenant's use: of the last 30 billing days, by model and by day."""

import datetime as dt

from django.urls import reverse

from metering.usage.report import Measures
from metering.usage.selectors import Dimension, UsageQuery, UsageRow, usage
from metering.usage.zones import date_at
from pages.design.cells import Cell, Kind, day, money, number, words
from pages.design.heading import Crumb
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.tenant.parts import Asked, Part, Shown

DAYS = 30
_EMPTY = Empty(
    f"Nothing was used within {DAYS} days", "Its keys say when each was used last."
)


def _measures() -> tuple[Column[UsageRow], ...]:
    return (
        Column(
            "requests",
            "Requests",
            lambda row: number(row.requests),
            Kind.NUMBER,
            sort=lambda row: row.requests,
        ),
        Column(
            "input",
            "Input",
            lambda row: number(row.input_tokens),
            Kind.NUMBER,
            sort=lambda row: row.input_tokens,
        ),
        Column(
            "cached",
            "Cached input",
            lambda row: number(row.cached_input_tokens),
            Kind.NUMBER,
            sort=lambda row: row.cached_input_tokens,
        ),
        Column(
            "output",
            "Output",
            lambda row: number(row.output_tokens),
            Kind.NUMBER,
            sort=lambda row: row.output_tokens,
        ),
        Column(
            "charge",
            "Charge, excluding tax",
            lambda row: money(row.charge_picos, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.charge_picos,
        ),
    )


BY_MODEL: Table[UsageRow] = Table(
    name="models",
    title=f"By model, last {DAYS} days",
    usual_sort="-charge",
    is_one_of_many=True,
    empty=_EMPTY,
    columns=(
        Column(
            "model",
            "Model",
            lambda row: words(row.group.model or ""),
            sort=lambda row: row.group.model,
        ),
        *_measures(),
    ),
)
BY_DAY: Table[UsageRow] = Table(
    name="days",
    title=f"By day, last {DAYS} days",
    usual_sort="-day",
    is_one_of_many=True,
    empty=_EMPTY,
    columns=(
        Column(
            "day",
            "Day",
            lambda row: day(row.group.day or dt.date.min),
            sort=lambda row: row.group.day,
        ),
        *_measures(),
    ),
)


def shown(asked: Asked) -> Shown:
    """Return the tab."""
    tenant = asked.tenant
    last = date_at(asked.now, tenant.zone)
    first, end = last - dt.timedelta(days=DAYS - 1), last + dt.timedelta(days=1)
    parts = []
    for table, by in ((BY_MODEL, Dimension.MODEL), (BY_DAY, Dimension.DAY)):
        query = UsageQuery(start=first, end=end, group_by=(by,), tenant_id=tenant.pk)
        found = usage(query, now=asked.now)
        parts.append(Part(table, found.rows, totals=[*map(_total, found.totals)]))
    more = f"{reverse('finance:usage')}?tenant={tenant.slug}&range=30d"
    return Shown(parts=parts, links=[Crumb("By project, key and hour", more)])


def _total(sums: Measures) -> dict[str, Cell]:
    return {
        "model": words("All"),
        "day": words("All"),
        "requests": number(sums.requests),
        "input": number(sums.input_tokens),
        "cached": number(sums.cached_input_tokens),
        "output": number(sums.output_tokens),
        "charge": money(sums.charge_picos, sums.currency),
    }
