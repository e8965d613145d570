"""Reads of usage: the report behind API and finance page, the recount behind tests.

Failure: an answer is complete to the last commit whether or not rollups have caught up;
a question that cannot be answered at reasonable cost raises `InvalidRequest` saying
what to ask instead.
"""

import datetime as dt
from collections.abc import Collection, Mapping

from django.db.models import Sum

from kit.contracts import EventKind
from kit.errors import NotFound
from kit.ids import uuid_floor
from kit.orm.atomic import cursor
from metering.usage.asking import asking, row_of
from metering.usage.epochs import complete_to, database_now
from metering.usage.models import (
    BillingDay,
    DayRollup,
    Epoch,
    Event,
    HourRollup,
    UtcRollup,
)
from metering.usage.recount_sql import CHANGED, RECOUNT, RECOUNT_HOURS
from metering.usage.report import (
    ROWS_MAX,
    Dimension,
    TooManyRows,
    UsageQuery,
    UsageReport,
    UsageRow,
    totals_of,
)
from metering.usage.zones import month_of
from tenants.activity import COUNTED_MAX
from tenants.models import Tenant

__all__ = [
    "Dimension",
    "UsageQuery",
    "UsageReport",
    "UsageRow",
    "billing_day",
    "billing_month",
    "billing_zones",
    "changed_days",
    "complete_to",
    "database_now",
    "epochs",
    "recount",
    "recount_hours",
    "requests_since",
    "rolled_up",
    "rolled_up_hours",
    "usage",
]

_HOUR_SUMS = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "charge_picos",
)

# Of one tenant and day: (project, key, price, token class) -> (quantity, charge in
# picos).
DaySums = dict[tuple[int, int, int, int], tuple[int, int]]
# Of one tenant: (hour, price) -> the six sums of an hour rollup, in the model's order.
HourSums = dict[tuple[dt.datetime, int], tuple[int, ...]]


def usage(query: UsageQuery, *, now: dt.datetime) -> UsageReport:
    """Answer a question about usage, up to the last event committed.

    Hours of tenants and models come from hour rollups, for a range of any length: what
    a chart is drawn from. Hours without usage have no row.

    Raises `InvalidRequest` for a range that is empty, for one that would be counted
    from more than 31 days of single events, and for an answer of more than 10,000 rows.
    """
    asked = asking(query, limit=ROWS_MAX + 1)
    # Read first: what it promises must already be in the answer.
    complete = complete_to(now=now)
    with cursor() as session:
        session.execute(asked.statement, asked.parameters)
        found = session.fetchall()
    if len(found) > ROWS_MAX:
        raise TooManyRows(
            f"The answer has more than {ROWS_MAX} rows: ask for a shorter range, fewer "
            "keys in 'group_by', or one tenant, project, key or model.",
            param="group_by",
        )
    rows = tuple(row_of(values) for values in found)
    span = asked.scope
    return UsageReport(rows, totals_of(rows), span.start, span.end, complete)


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


def billing_zones(*, tenant: Tenant, start: dt.datetime, end: dt.datetime) -> list[str]:
    """Return the zones of a tenant's billing days in a range, in their order.

    A tenant's own zone is that of its coming months.
    """
    days = BillingDay.objects.filter(
        tenant_id=tenant.pk, starts_at__lt=end, ends_at__gt=start
    )
    zones = days.order_by("date").values_list("zone", flat=True)
    return list(dict.fromkeys(zones)) or [tenant.zone]


def changed_days(
    *, ended_by: dt.datetime, tenant_id: int | None = None
) -> dict[int, list[dt.date]]:
    """Return, per tenant, the ended days whose rollups the ledger has to take over."""
    with cursor() as session:
        session.execute(CHANGED, {"ended_by": ended_by, "tenant": tenant_id})
        return {tenant: list(dates) for tenant, dates in session.fetchall()}


def calls_of(models: Collection[str], since: dt.datetime) -> Mapping[int, int]:
    """Return how often each tenant that did called these models, by days of UTC.

    Names are those of prices. For operators: it reads all tenants.
    """
    rows = UtcRollup.objects.filter(
        is_month=False,
        date__gte=since.astimezone(dt.UTC).date(),
        model__in=models,
    )
    counted = rows.values_list("tenant_id").annotate(Sum("requests")).order_by()
    return {tenant: calls for tenant, calls in counted if calls}


def requests_since(
    tenant_id: int, api_key_ids: Collection[int] | None, since: dt.datetime
) -> int:
    """Count a tenant's requests since an instant, of these keys or of all.

    Counting ends at one more than a page tells apart: a busy tenant costs no more.
    """
    rows = Event.objects.filter(
        tenant_id=tenant_id,
        request_id__gte=uuid_floor(since),
        kind=EventKind.REQUEST,
        admitted_at__gte=since,
    )
    if api_key_ids is not None:
        rows = rows.filter(api_key_id__in=api_key_ids)
    return rows[: COUNTED_MAX + 1].count()


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


def recount_hours(*, tenant_id: int, start: dt.datetime, end: dt.datetime) -> HourSums:
    """Count whole hours afresh from their events: what their rollups must equal."""
    with cursor() as session:
        session.execute(
            RECOUNT_HOURS, {"tenant": tenant_id, "start": start, "end": end}
        )
        return {
            (hour, price): tuple(int(each) for each in sums)
            for hour, price, *sums in session.fetchall()
            if any(sums)
        }


def rolled_up_hours(
    *, tenant_id: int, start: dt.datetime, end: dt.datetime
) -> HourSums:
    """Return hour rollups in the form of `recount_hours`, without zero rows."""
    rows = HourRollup.objects.filter(
        tenant_id=tenant_id, hour__gte=start, hour__lt=end
    ).values_list("hour", "price_id", *_HOUR_SUMS)
    return {(hour, price): tuple(sums) for hour, price, *sums in rows if any(sums)}
