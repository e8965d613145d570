"""Work out days: what each tenant's use of each model brought and cost, and idle time.

A day is made anew as a whole, in one transaction, as often as it may have changed: it
runs or has just ended, a rate for it was entered, or a night has passed. A day of a
locked month stays as it is.

Failure: a day is all or nothing; killed, it is as it was, and due still. Owns: margins
of days, and their totals.
"""

import datetime as dt
from dataclasses import dataclass, field

from kit.orm.atomic import atomic, cursor
from metering.economics.models import (
    CACHED_PERMILLE,
    INPUT_PERMILLE,
    CostRate,
    DayMargin,
    DayTotal,
    ReplicaSpan,
    WorkedDay,
)
from metering.economics.rates import Rate, Rates
from metering.economics.sharing import (
    HOUR_US,
    PERMILLE,
    Presence,
    Work,
    shared,
)
from metering.economics.working_sql import BOOKED, FIRST_DAY, USED
from metering.ledger.locking import is_locked, open_from
from metering.ledger.services import DAY_GRACE, hold_months

ONE_DAY = dt.timedelta(days=1)
# Use and postings of an ended day come in for so long as a rule.
SETTLES_IN = dt.timedelta(hours=12) + DAY_GRACE
# How often a day that still grows is made anew, and any other that is not locked.
GROWING_EVERY, SETTLED_EVERY = dt.timedelta(minutes=10), dt.timedelta(hours=24)
LOOKED_BACK = dt.timedelta(days=70)
DAYS_PER_RUN = 100
# What is added to a model's name for use at a price of its own.
_VARIANT = "@"
_FROM_CACHE = "cache"
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('economics_day', %s))"
_UNIX_DAY = dt.date(1970, 1, 1)


@dataclass(slots=True)
class _Pool:
    """The replicas that were there for one model in a day, and their weights."""

    model: str
    presences: list[Presence] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    input_permille: int = INPUT_PERMILLE
    cached_permille: int = CACHED_PERMILLE


@dataclass(slots=True)
class _Sums:
    """What a row of a day comes to."""

    requests: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    revenue_picos: int = 0
    cost_picos: int = 0


# (currency, model, tenant; None for idle time) -> its sums.
_Rows = dict[tuple[str, str, int | None], _Sums]


@dataclass(frozen=True, slots=True)
class _Used:
    """What a tenant used of a model, at one kind of price, in an hour of the day."""

    tenant_id: int
    hour: int
    model: str
    variant: str
    currency: str
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


def work_out_due(*, now: dt.datetime) -> int:
    """Work out the days that are due, the latest first; return how many."""
    due = _due(now)[:DAYS_PER_RUN]
    return sum(work_out(date=date, now=now) for date in due)


def _due(now: dt.datetime) -> list[dt.date]:
    with cursor() as session:
        session.execute(FIRST_DAY)
        (first,) = session.fetchone()
    if first is None:
        return []
    today = now.astimezone(dt.UTC).date()
    first = max(first, today - LOOKED_BACK, open_from() or first)
    worked = dict(
        WorkedDay.objects.filter(date__gte=first).values_list("date", "worked_at")
    )
    entered = list(CostRate.objects.values_list("starts_on", "created_at"))
    days = [today - ONE_DAY * ago for ago in range((today - first).days + 1)]
    return [day for day in days if _is_due(day, worked.get(day), entered, now)]


def _is_due(
    date: dt.date,
    worked_at: dt.datetime | None,
    entered: list[tuple[dt.date, dt.datetime]],
    now: dt.datetime,
) -> bool:
    if worked_at is None:
        return True
    if any(starts_on <= date and at >= worked_at for starts_on, at in entered):
        return True
    is_settled = worked_at >= bounds(date)[1] + SETTLES_IN
    return now - worked_at >= (SETTLED_EVERY if is_settled else GROWING_EVERY)


def bounds(date: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return the two instants of a day of UTC."""
    start = dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
    return start, start + ONE_DAY


def work_out(*, date: dt.date, now: dt.datetime) -> bool:
    """Make a day's margins anew, unless its month is locked; tell whether they were."""
    start, end = bounds(date)
    with atomic():
        hold_months()
        with cursor() as session:
            session.execute(_TURN, [(date - _UNIX_DAY).days])
        if is_locked(date.replace(day=1)):
            return False
        rates = Rates(
            (Rate(**row) for row in CostRate.objects.values(*Rate.__slots__)), date=date
        )
        worked = WorkedDay(date=date, worked_at=now, complete_to=min(now, end))
        pools = _pools(start, end, rates, worked)
        rows: _Rows = {}
        _add_use(rows, pools, _used(start, end))
        _add_cost(rows, pools)
        _add_revenue(rows, date)
        DayMargin.objects.filter(date=date).delete()
        DayMargin.objects.bulk_create(
            (
                DayMargin(
                    date=date,
                    currency=currency,
                    model=model,
                    tenant_id=tenant_id,
                    **{name: getattr(sums, name) for name in _Sums.__slots__},
                )
                for (currency, model, tenant_id), sums in sorted(
                    rows.items(), key=lambda row: (row[0][:2], row[0][2] or 0)
                )
            ),
            batch_size=2000,
        )
        _write_totals(date, rows)
        WorkedDay.objects.bulk_create(
            [worked],
            update_conflicts=True,
            unique_fields=["date"],
            update_fields=[
                "worked_at",
                "complete_to",
                "unpriced_us",
                "unmeasured_us",
                "replica_us",
            ],
        )
    return True


def _write_totals(date: dt.date, rows: _Rows) -> None:
    """Write what all tenants come to, as the rows of the day say it."""
    totals: dict[tuple[str, str, bool], _Sums] = {}
    for (currency, model, tenant_id), sums in rows.items():
        total = totals.setdefault((currency, model, tenant_id is None), _Sums())
        for name in _Sums.__slots__:
            setattr(total, name, getattr(total, name) + getattr(sums, name))
    DayTotal.objects.filter(date=date).delete()
    DayTotal.objects.bulk_create(
        DayTotal(
            date=date,
            currency=currency,
            model=model,
            is_idle=is_idle,
            **{name: getattr(sums, name) for name in _Sums.__slots__},
        )
        for (currency, model, is_idle), sums in sorted(
            totals.items(), key=lambda total: total[0]
        )
    )


def _pools(
    start: dt.datetime, end: dt.datetime, rates: Rates, worked: WorkedDay
) -> dict[str, _Pool]:
    """Return the day's replicas by the model they were there for; counts their time.

    A model that has none is found with the base that it is an adapter of.
    """
    pools: dict[str, _Pool] = {}
    adapters: dict[str, _Pool] = {}
    spans = ReplicaSpan.objects.filter(until__gt=start, starts_at__lt=end)
    for span in spans.order_by("replica_id", "starts_at"):
        rate = rates.of(replica=span.name, model=span.model, engine=span.engine)
        pool = pools.get(span.model)
        if pool is None:
            pool = pools[span.model] = _Pool(span.model)
            if rate is not None:
                pool.input_permille = rate.input_permille
                pool.cached_permille = rate.cached_permille
        for name in span.answers_to:
            adapters.setdefault(name, pool)
        for hour, us in by_hour(span.starts_at, span.until, day=start):
            worked.replica_us += us
            worked.unpriced_us += us if rate is None else 0
            pool.presences.append(_presence(hour, us, rate))
            if rate is not None and rate.tokens_per_s is None:
                worked.unmeasured_us += us
    return adapters | pools


def _presence(hour: int, us: int, rate: Rate | None) -> Presence:
    if rate is None:
        return Presence(hour, us, "", None, None)
    return Presence(hour, us, rate.currency, rate.picos_per_hour, rate.tokens_per_s)


def by_hour(
    since: dt.datetime, until: dt.datetime, *, day: dt.datetime
) -> list[tuple[int, int]]:
    """Cut a time at the hours of a day: (hour, microseconds) for each that has any."""
    first = max((since - day) // dt.timedelta(microseconds=1), 0)
    last = min((until - day) // dt.timedelta(microseconds=1), 24 * HOUR_US)
    return [
        (hour, min(last, (hour + 1) * HOUR_US) - max(first, hour * HOUR_US))
        for hour in range(24)
        if max(first, hour * HOUR_US) < min(last, (hour + 1) * HOUR_US)
    ]


def _used(start: dt.datetime, end: dt.datetime) -> list[_Used]:
    with cursor() as session:
        session.execute(USED, {"start": start, "end": end})
        rows = session.fetchall()
    found = []
    for tenant_id, hour, name, currency, *counts in rows:
        model, _, variant = name.partition(_VARIANT)
        found.append(_Used(tenant_id, hour, model, variant, currency, *counts))
    return found


def _add_use(rows: _Rows, pools: dict[str, _Pool], used: list[_Used]) -> None:
    """Count tokens in the currency of their price, and as work of the replicas.

    What an answer cache gave took no replica's time.
    """
    for each in used:
        sums = rows.setdefault((each.currency, each.model, each.tenant_id), _Sums())
        sums.requests += each.requests
        sums.input_tokens += each.input_tokens
        sums.cached_input_tokens += each.cached_input_tokens
        sums.output_tokens += each.output_tokens
        pool = pools.get(each.model)
        if pool is not None and each.variant != _FROM_CACHE:
            permille = (
                each.output_tokens * PERMILLE
                + each.input_tokens * pool.input_permille
                + each.cached_input_tokens * pool.cached_permille
            )
            pool.works.append(Work(each.hour, each.tenant_id, each.model, permille))


def _add_cost(rows: _Rows, pools: dict[str, _Pool]) -> None:
    """Add what the day cost to those on whom it falls."""
    for pool in {id(each): each for each in pools.values()}.values():
        by_currency = shared(pool.presences, pool.works, model=pool.model)
        for currency, parts in by_currency.items():
            for (tenant_id, model), picos in parts.items():
                row = rows.setdefault((currency, model, tenant_id), _Sums())
                row.cost_picos += picos


def _add_revenue(rows: _Rows, date: dt.date) -> None:
    with cursor() as session:
        session.execute(BOOKED, {"date": date})
        for tenant_id, name, currency, picos in session.fetchall():
            key = (currency, name.partition(_VARIANT)[0], tenant_id)
            rows.setdefault(key, _Sums()).revenue_picos += int(picos)
