"""Reads of usage: the report behind API and finance page, the recount behind tests.

Failure: an answer is complete to the last commit whether or not rollups have caught up;
a question that cannot be answered at reasonable cost raises `InvalidRequest` saying
what to ask instead.
"""

import datetime as dt

from kit.errors import InvalidRequest, NotFound
from kit.orm.atomic import cursor
from metering.usage.epochs import complete_to, database_now
from metering.usage.models import BillingDay, DayRollup, Epoch
from metering.usage.report import (
    RAW_DAYS_MAX,
    ROWS_MAX,
    Dimension,
    Group,
    UsageQuery,
    UsageReport,
    UsageRow,
    totals_of,
)
from metering.usage.report_sql import CHANGED, OTHER_ZONES, RECOUNT, USAGE
from metering.usage.zones import day_start, month_of
from tenants.models import ApiKey, Project, Tenant

__all__ = [
    "Dimension",
    "UsageQuery",
    "UsageReport",
    "UsageRow",
    "billing_day",
    "billing_month",
    "changed_days",
    "complete_to",
    "database_now",
    "epochs",
    "recount",
    "rolled_up",
    "usage",
]

RAW_SPAN_MAX = dt.timedelta(days=RAW_DAYS_MAX)

# Of one tenant and day: (project, key, price, token class) -> (quantity, charge in
# picos).
DaySums = dict[tuple[int, int, int, int], tuple[int, int]]


def usage(query: UsageQuery, *, now: dt.datetime) -> UsageReport:
    """Answer a question about usage, up to the last event committed.

    Raises `InvalidRequest` for a range that is empty, or that begins or ends inside a
    billing day and is longer than 31 days, and for an answer of more than 10,000 rows.
    """
    tenant = _tenant_of(query)
    start = _instant(query.start, tenant)
    end = _instant(query.end, tenant)
    if end <= start:
        raise InvalidRequest(
            "'end' must lie after 'start': the range is half-open.", param="end"
        )
    by_day = Dimension.DAY in query.group_by
    _require_affordable(start, end, tenant, by_day=by_day)
    parameters = {
        "start": start,
        "end": end,
        "utc": tenant is None and by_day,
        "tenant": tenant.pk if tenant else None,
        "project": query.project_id,
        "key": query.api_key_id,
        "model": query.model,
        "limit": ROWS_MAX + 1,
        **{f"by_{each}": each in query.group_by for each in Dimension},
    }
    # Read first: what it promises must already be in the answer.
    complete = complete_to(now=now)
    with cursor() as session:
        session.execute(USAGE, parameters)
        found = session.fetchall()
    if len(found) > ROWS_MAX:
        raise InvalidRequest(
            f"The answer has more than {ROWS_MAX} rows: ask for a shorter range, fewer "
            "keys, or one project.",
            param="group_by",
        )
    rows = tuple(_row(values) for values in found)
    return UsageReport(rows, totals_of(rows), start, end, complete)


def billing_month(
    *, now: dt.datetime, tenant: Tenant | None = None
) -> tuple[dt.date, dt.date]:
    """Return the half-open dates of the running month: the tenant's, else UTC's."""
    if tenant is None:
        return month_of(now.astimezone(dt.UTC).date())
    return month_of(billing_day(tenant=tenant, at=now).date)


def billing_day(*, tenant: Tenant, at: dt.datetime) -> BillingDay:
    """Return the billing day of an instant; raises `NotFound` without one."""
    found = BillingDay.objects.filter(
        tenant_id=tenant.pk, starts_at__lte=at, ends_at__gt=at
    ).first()
    if found is None:
        raise NotFound(f"Tenant '{tenant.slug}' has no billing day at {at:%Y-%m-%d}.")
    return found


def changed_days(
    *, ended_by: dt.datetime, tenant_id: int | None = None
) -> dict[int, list[dt.date]]:
    """Return, per tenant, the ended days whose rollups the ledger has to take over."""
    with cursor() as session:
        session.execute(CHANGED, {"ended_by": ended_by, "tenant": tenant_id})
        return {tenant: list(dates) for tenant, dates in session.fetchall()}


def epochs() -> list[Epoch]:
    """Return the runs of gateways, the latest first."""
    return list(Epoch.objects.order_by("-started_at")[:1000])


def recount(*, tenant_id: int, date: dt.date) -> DaySums:
    """Count a billing day afresh from its events: what its rollup must equal."""
    with cursor() as session:
        session.execute(RECOUNT, {"tenant": tenant_id, "date": date})
        return {
            (project, key, price, token_class): (int(quantity), int(charge))
            for project, key, price, token_class, quantity, charge in session.fetchall()
        }


def rolled_up(*, tenant_id: int, date: dt.date) -> DaySums:
    """Return a billing day's rollup in the form of `recount`, without zero rows."""
    rows = DayRollup.objects.filter(tenant_id=tenant_id, date=date)
    return {
        (row.project_id, row.api_key_id, row.price_id, row.token_class): (
            row.quantity,
            row.charge_picos,
        )
        for row in rows
        if row.quantity or row.charge_picos
    }


def _tenant_of(query: UsageQuery) -> Tenant | None:
    """Return the one tenant that a question is about, or None for several."""
    owners: set[int] = set()
    if query.tenant_id is not None:
        owners.add(query.tenant_id)
    for param, model, pk in (
        ("project", Project, query.project_id),
        ("key", ApiKey, query.api_key_id),
    ):
        if pk is not None:
            row = model.objects.filter(pk=pk).only("tenant_id").first()
            if row is None:
                raise InvalidRequest(f"There is no {param} {pk}.", param=param)
            owners.add(row.tenant_id)
    if not owners:
        return None
    if len(owners) > 1:
        raise InvalidRequest(
            "'tenant', 'project' and 'key' are not of one tenant.", param="tenant"
        )
    tenant = Tenant.objects.filter(pk=owners.pop()).first()
    if tenant is None:
        raise InvalidRequest(f"There is no tenant {query.tenant_id}.", param="tenant")
    return tenant


def _instant(bound: dt.datetime | dt.date, tenant: Tenant | None) -> dt.datetime:
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC)
    if tenant is None:
        return dt.datetime.combine(bound, dt.time(), tzinfo=dt.UTC)
    # The day itself, or the next one where the zone skipped the date.
    day = (
        BillingDay.objects.filter(tenant_id=tenant.pk, date__gte=bound)
        .order_by("date")
        .first()
    )
    if day is None or (day.date != bound and _is_first(day)):
        return day_start(bound, tenant.zone)
    return day.starts_at


def _is_first(day: BillingDay) -> bool:
    return not BillingDay.objects.filter(
        tenant_id=day.tenant_id, date__lt=day.date
    ).exists()


def _require_affordable(
    start: dt.datetime, end: dt.datetime, tenant: Tenant | None, *, by_day: bool
) -> None:
    """Refuse a long range of which more than whole rolled-up days would be read."""
    if end - start <= RAW_SPAN_MAX:
        return
    for param, bound in (("start", start), ("end", end)):
        if _is_inside_a_day(bound, tenant):
            raise InvalidRequest(
                f"'{param}' lies inside a day, which is counted from single events: "
                f"such a range may be at most {RAW_DAYS_MAX} days long. Use bare dates "
                "for more.",
                param=param,
            )
    if tenant is not None or not by_day:
        return
    with cursor() as session:
        session.execute(OTHER_ZONES, {"start": start, "end": end})
        (others,) = session.fetchone()
    if others:
        raise InvalidRequest(
            "Over several tenants days are those of UTC, and some tenants keep other "
            "ones, which are counted from single events: ask for at most "
            f"{RAW_DAYS_MAX} days, for one tenant, or without 'day'.",
            param="group_by",
        )


def _is_inside_a_day(bound: dt.datetime, tenant: Tenant | None) -> bool:
    if tenant is None:
        return bound.time() != dt.time()
    return BillingDay.objects.filter(
        tenant_id=tenant.pk, starts_at__lt=bound, ends_at__gt=bound
    ).exists()


def _row(values: tuple) -> UsageRow:  # type: ignore[type-arg]
    return UsageRow(
        group=Group(
            day=values[0],
            tenant_id=values[1],
            tenant=values[2],
            project_id=values[3],
            project=values[4],
            api_key_id=values[5],
            api_key=values[6],
            model=values[7],
        ),
        currency=values[8],
        requests=int(values[9]),
        input_tokens=int(values[10]),
        cached_input_tokens=int(values[11]),
        output_tokens=int(values[12]),
        reasoning_tokens=int(values[13]),
        charge_picos=int(values[14]),
    )
