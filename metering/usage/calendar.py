"""Keep every tenant's billing days written ahead: an instant always has its day.

Days are written once and never changed; only days of periods that have not begun are
taken back, when the tenant's zone or the day on which its periods begin changes.
Failure: two writers wait for each other per tenant; a writer that dies leaves nothing
half-written. Owns: the rows of `BillingDay`.
"""

import datetime as dt

from django.db.models import Max, Min

from kit.orm.atomic import atomic, cursor
from metering.usage.models import BillingDay
from metering.usage.zones import Day, days_after, days_until, first_day
from tenants.models import Tenant

HORIZON = dt.timedelta(days=62)

_LAGGING = """
    SELECT tenant.id
    FROM tenants_tenant tenant
    LEFT JOIN usage_billingday day ON day.tenant_id = tenant.id
    GROUP BY tenant.id
    HAVING max(day.ends_at) IS NULL
        OR max(day.ends_at) <= %(through)s
        OR bool_or(
            day.starts_at > %(now)s AND day.period_start >= %(next)s AND (
                day.zone <> tenant.zone
                OR extract(day FROM day.period_end) <> tenant.period_day
            )
        )
    ORDER BY tenant.id
"""


def write_calendar(*, now: dt.datetime) -> int:
    """Write the days of every tenant up to the horizon; return how many."""
    with cursor() as session:
        # A coarse net: which period runs is each tenant's own, looked at below.
        session.execute(
            _LAGGING, {"through": now + HORIZON, "now": now, "next": now.date()}
        )
        lagging = [tenant_id for (tenant_id,) in session.fetchall()]
    tenants = Tenant.objects.filter(pk__in=lagging).order_by("pk")
    return sum(renew_calendar(tenant=tenant, now=now) for tenant in tenants)


def renew_calendar(*, tenant: Tenant, now: dt.datetime) -> int:
    """Write a tenant's days, those of coming periods by the rules that it has now."""
    with atomic():
        _lock(tenant.pk)
        _take_back(tenant, now)
        return _write(tenant, earliest=tenant.created_at, latest=now + HORIZON)


def cover(*, tenant: Tenant, earliest: dt.datetime, latest: dt.datetime) -> int:
    """Make sure that both instants, and all between them, have their billing days."""
    with atomic():
        _lock(tenant.pk)
        return _write(tenant, earliest=earliest, latest=latest)


def _lock(tenant_id: int) -> None:
    with cursor() as session:
        session.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('usage_calendar', %s))",
            [tenant_id],
        )


def _take_back(tenant: Tenant, now: dt.datetime) -> None:
    """Delete the days of coming periods that were written by other rules."""
    days = BillingDay.objects.filter(tenant_id=tenant.pk)
    today = days.filter(starts_at__lte=now).order_by("-starts_at").first()
    if today is None:
        return
    coming = days.filter(date__gte=today.period_end, starts_at__gt=now)
    kept = coming.filter(zone=tenant.zone, period_end__day=tenant.period_day)
    if kept.count() < coming.count():
        coming.delete()


def _write(tenant: Tenant, *, earliest: dt.datetime, latest: dt.datetime) -> int:
    missing: list[Day] = []
    ends = BillingDay.objects.filter(tenant_id=tenant.pk).aggregate(
        first=Min("date"), last=Max("date")
    )
    if ends["first"] is None:
        first = last = first_day(earliest, tenant.zone, tenant.period_day)
        missing.append(first)
    else:
        first = _day(BillingDay.objects.get(pk=(tenant.pk, ends["first"])))
        last = _day(BillingDay.objects.get(pk=(tenant.pk, ends["last"])))
    if earliest < first.starts_at:
        missing += days_until(first, earliest)
    if latest >= last.ends_at:
        for day in days_after(last, tenant.zone, tenant.period_day):
            missing.append(day)
            if day.ends_at > latest:
                break
    BillingDay.objects.bulk_create(
        BillingDay(
            tenant_id=tenant.pk,
            date=day.date,
            starts_at=day.starts_at,
            ends_at=day.ends_at,
            zone=day.zone,
            period_start=day.period_start,
            period_end=day.period_end,
        )
        for day in missing
    )
    return len(missing)


def _day(row: BillingDay) -> Day:
    return Day(
        row.date,
        row.starts_at,
        row.ends_at,
        row.zone,
        row.period_start,
        row.period_end,
    )
