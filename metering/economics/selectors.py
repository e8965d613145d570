"""Reads of economics: rates in force, replica-hours, and margins.

Every sum is of one currency. Failure: none of its own; what nobody entered is told as
unknown, never as zero.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max, Min, Q, QuerySet, Sum

from metering.economics.models import (
    CostRate,
    DayMargin,
    DayTotal,
    ReplicaSpan,
    WorkedDay,
)
from metering.economics.rates import Rate, Rates
from metering.economics.sharing import HOUR_US
from metering.economics.working import bounds, by_hour

__all__ = [
    "Coverage",
    "Dimension",
    "Margin",
    "MarginRow",
    "coverage",
    "currencies",
    "margin",
    "margin_by_day",
    "rate_terms",
    "rates",
    "rates_in_force",
    "spans",
    "time_on",
]

_SUMMED = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "revenue_picos",
    "cost_picos",
)
BASIS_POINTS = 10_000


class Dimension:
    """By what margins are divided."""

    MODEL = "model"
    TENANT = "tenant_id"
    DAY = "date"
    ALL = (MODEL, TENANT, DAY)


@dataclass(frozen=True, slots=True)
class MarginRow:
    """What a part of revenue cost; `key` is a model, a tenant's id or a date.

    `key` is None for idle time, where margins are divided by tenant.
    """

    key: str | int | dt.date | None
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    revenue_picos: int
    cost_picos: int

    @property
    def margin_picos(self) -> int:
        """Return what is left of revenue."""
        return self.revenue_picos - self.cost_picos

    @property
    def margin_bp(self) -> int | None:
        """Return the margin in hundredths of a percent; None of no revenue."""
        if not self.revenue_picos:
            return None
        return (2 * BASIS_POINTS * self.margin_picos + self.revenue_picos) // (
            2 * self.revenue_picos
        )


@dataclass(frozen=True, slots=True)
class Margin:
    """The margins of a range in one currency: rows, idle time by model, the whole.

    `used` is all that was used, `whole` that with what replicas cost while idle.
    """

    currency: str
    rows: tuple[MarginRow, ...]
    idle: tuple[MarginRow, ...]
    used: MarginRow
    whole: MarginRow


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the margins of a range can be trusted.

    `complete_to` is None before any of it was worked out. Days that were not worked
    out are `missing`. Of all `replica_us`, no rate was in force for `unpriced_us`, and
    nobody said what replicas can do for `unmeasured_us`.
    """

    complete_to: dt.datetime | None
    worked_at: dt.datetime | None
    missing: int
    replica_us: int
    unpriced_us: int
    unmeasured_us: int


def rates() -> QuerySet[CostRate]:
    """Return all rates ever entered, the latest first."""
    return CostRate.objects.order_by("-id")


def rates_in_force(*, date: dt.date) -> list[CostRate]:
    """Return the row of each level and subject that holds on a date."""
    rows = {row.pk: row for row in CostRate.objects.all()}
    names = Rate.__slots__
    held = Rates(
        (Rate(**{name: getattr(row, name) for name in names}) for row in rows.values()),
        date=date,
    ).held
    order = [level.value for level in CostRate.Level]
    return sorted(
        (rows[rate.id] for rate in held),
        key=lambda row: (order.index(row.level), row.subject),
    )


def rate_terms() -> list[Rate]:
    """Return all rates as what is reckoned with."""
    return [Rate(**row) for row in CostRate.objects.values(*Rate.__slots__)]


def time_on(span: ReplicaSpan, date: dt.date) -> list[tuple[int, int]]:
    """Return how long a replica was there on a day of UTC: hour, microseconds."""
    start, _ = bounds(date)
    return by_hour(span.starts_at, span.until, day=start)


def spans(*, first: dt.date, end: dt.date) -> QuerySet[ReplicaSpan]:
    """Return the times that replicas were there in a half-open range of days."""
    return ReplicaSpan.objects.filter(
        until__gt=bounds(first)[0], starts_at__lt=bounds(end)[0]
    ).order_by("model", "name", "starts_at")


def hours_of(us: int) -> tuple[int, int]:
    """Return whole hours and minutes of microseconds."""
    minutes = us // (HOUR_US // 60)
    return divmod(minutes, 60)


def currencies(*, first: dt.date, end: dt.date) -> list[str]:
    """Return the currencies in which anything was earned or spent in a range."""
    return sorted(
        DayTotal.objects.filter(date__gte=first, date__lt=end)
        .values_list("currency", flat=True)
        .order_by()
        .distinct()
    )


def margin(
    *,
    currency: str,
    first: dt.date,
    end: dt.date,
    by: str = Dimension.MODEL,
    model: str = "",
    tenant_id: int | None = None,
) -> Margin:
    """Return the margins of a half-open range of days, divided and whole.

    Rows come by revenue, the largest first; days in their order. A tenant's margins
    hold no idle time.
    """
    within = _within(currency, first, end, model)
    totals = DayTotal.objects.filter(within).order_by()
    if by == Dimension.TENANT or tenant_id is not None:
        days = DayMargin.objects.filter(within, tenant_id__isnull=False).order_by()
        if tenant_id is not None:
            days, totals = days.filter(tenant_id=tenant_id), totals.none()
        used = _rows(days, by)
    else:
        used = _rows(totals.filter(is_idle=False), by)
    idle = _rows(totals.filter(is_idle=True), Dimension.MODEL)
    if by != Dimension.DAY:
        used.sort(key=lambda row: (-row.revenue_picos, -row.cost_picos, str(row.key)))
    of_used, of_idle = _whole(used), _whole(idle)
    return Margin(
        currency=currency,
        rows=tuple(used),
        idle=tuple(idle),
        used=of_used,
        whole=_whole((of_used, of_idle)),
    )


def margin_by_day(
    *,
    currency: str,
    first: dt.date,
    end: dt.date,
    model: str = "",
    tenant_id: int | None = None,
) -> dict[dt.date, tuple[int, int]]:
    """Return revenue and cost of each day, idle time included unless of a tenant."""
    within = _within(currency, first, end, model)
    days: QuerySet[DayMargin] | QuerySet[DayTotal] = (
        DayTotal.objects.filter(within)
        if tenant_id is None
        else DayMargin.objects.filter(within, tenant_id=tenant_id)
    )
    sums = days.order_by("date").values_list("date")
    found = sums.annotate(Sum("revenue_picos"), Sum("cost_picos"))
    return {date: (int(revenue), int(cost)) for date, revenue, cost in found}


def _within(currency: str, first: dt.date, end: dt.date, model: str) -> Q:
    days = Q(currency=currency, date__gte=first, date__lt=end)
    return days & Q(model=model) if model else days


def _rows(days: QuerySet[DayMargin] | QuerySet[DayTotal], by: str) -> list[MarginRow]:
    sums = days.values_list(by).annotate(*(Sum(name) for name in _SUMMED)).order_by(by)
    return [MarginRow(key, *(int(each) for each in summed)) for key, *summed in sums]


def _whole(rows: Sequence[MarginRow]) -> MarginRow:
    return MarginRow(
        None, *(sum(getattr(row, name) for row in rows) for name in _SUMMED)
    )


def coverage(*, first: dt.date, end: dt.date, now: dt.datetime) -> Coverage:
    """Return how far the margins of a half-open range of days can be trusted."""
    days = WorkedDay.objects.filter(date__gte=first, date__lt=end)
    found = days.aggregate(
        complete_to=Max("complete_to"),
        worked_at=Min("worked_at"),
        replica_us=Sum("replica_us"),
        unpriced_us=Sum("unpriced_us"),
        unmeasured_us=Sum("unmeasured_us"),
    )
    begun = min(end, now.astimezone(dt.UTC).date() + dt.timedelta(days=1))
    return Coverage(
        complete_to=found["complete_to"],
        worked_at=found["worked_at"],
        missing=max((begun - first).days, 0) - days.count(),
        replica_us=found["replica_us"] or 0,
        unpriced_us=found["unpriced_us"] or 0,
        unmeasured_us=found["unmeasured_us"] or 0,
    )
