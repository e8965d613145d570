"""Periods are read from billing days, and never change once they have begun."""

import datetime as dt

import pytest
from django.db import connections

from kit.errors import NotFound
from kit.orm.roles import OPERATOR
from metering.usage.models import BillingDay
from metering.usage.periods import period_of, running_period
from metering.usage.selectors import database_now
from metering.usage.services import cover, write_calendar
from tenants.models import Tenant
from tenants.services import update_tenant
from tests.factories.tenants import make_tenant

A_DAY = dt.timedelta(days=1)


def began(tenant: Tenant, date: str, *, to: str) -> Tenant:
    """Let a tenant's calendar reach back to a date, and ahead to another."""
    at = [dt.datetime.fromisoformat(f"{each}T12:00Z") for each in (date, to)]
    cover(tenant=tenant, earliest=at[0], latest=at[1])
    return tenant


def dates(tenant: Tenant, date: str) -> tuple[str, str]:
    found = period_of(tenant_id=tenant.pk, date=dt.date.fromisoformat(date))
    return found.first_date.isoformat(), found.end_date.isoformat()


@pytest.mark.parametrize(
    ("day", "date", "period"),
    [
        (1, "2026-02-28", ("2026-02-01", "2026-03-01")),
        (15, "2026-02-14", ("2026-01-15", "2026-02-15")),
        (15, "2026-02-15", ("2026-02-15", "2026-03-15")),
        (28, "2028-02-29", ("2028-02-28", "2028-03-28")),
    ],
)
def test_a_period_begins_on_the_tenants_day(
    operator_db: None, day: int, date: str, period: tuple[str, str]
) -> None:
    tenant = began(make_tenant(period_day=day), "2026-01-01", to="2028-04-01")
    assert dates(tenant, date) == period


def test_a_period_has_the_instants_of_its_days(operator_db: None) -> None:
    """Half-open, in the tenant's zone: a quarter of an hour off, clocks put forward."""
    tenant = make_tenant(zone="Asia/Kathmandu", period_day=10)
    began(tenant, "2026-01-01", to="2026-05-01")
    found = period_of(tenant_id=tenant.pk, date=dt.date(2026, 3, 10))
    assert found.starts_at == dt.datetime(2026, 3, 9, 18, 15, tzinfo=dt.UTC)
    assert found.ends_at == dt.datetime(2026, 4, 9, 18, 15, tzinfo=dt.UTC)

    berlin = began(make_tenant(zone="Europe/Berlin"), "2026-01-01", to="2026-05-01")
    march = period_of(tenant_id=berlin.pk, date=dt.date(2026, 3, 31))
    assert march.ends_at - march.starts_at == 31 * A_DAY - dt.timedelta(hours=1)


def test_a_period_may_begin_before_the_tenant(operator_db: None) -> None:
    tenant = make_tenant(period_day=1)
    first = BillingDay.objects.filter(tenant_id=tenant.pk).earliest("date")
    found = period_of(tenant_id=tenant.pk, date=first.date.replace(day=1))
    assert found.first_date == first.date.replace(day=1)
    assert found.starts_at == first.starts_at
    with pytest.raises(NotFound, match="no billing period"):
        period_of(tenant_id=tenant.pk, date=found.first_date - A_DAY)


@pytest.mark.parametrize("by_the_hour", [True, False])
def test_a_new_day_waits_for_the_next_period(
    operator_db: None, by_the_hour: bool
) -> None:
    tenant = make_tenant(period_day=1)
    now = database_now()
    running = running_period(tenant_id=tenant.pk, at=now)

    if by_the_hour:
        Tenant.objects.filter(pk=tenant.pk).update(period_day=15)
        write_calendar(now=now)
    else:
        update_tenant(tenant=tenant, period_day=15)

    assert running_period(tenant_id=tenant.pk, at=now) == running
    short = period_of(tenant_id=tenant.pk, date=running.end_date)
    assert short.end_date == running.end_date.replace(day=15)
    assert short.starts_at == running.ends_at
    whole = period_of(tenant_id=tenant.pk, date=short.end_date)
    assert whole.full_days == (whole.end_date - whole.first_date).days
    assert write_calendar(now=now) == 0


def test_a_day_changed_back_leaves_the_calendar_as_it_was(operator_db: None) -> None:
    tenant = make_tenant(period_day=1)
    before = list(BillingDay.objects.filter(tenant_id=tenant.pk).order_by("date"))
    update_tenant(tenant=tenant, period_day=28)
    update_tenant(tenant=tenant, period_day=1)
    again = list(BillingDay.objects.filter(tenant_id=tenant.pk).order_by("date"))
    kept = [(day.date, day.period_start, day.period_end) for day in before]
    assert [(day.date, day.period_start, day.period_end) for day in again] == kept


def test_a_worker_of_the_version_before_writes_months(operator_db: None) -> None:
    tenant = make_tenant()
    with connections[OPERATOR].cursor() as session:
        session.execute(
            "INSERT INTO usage_billingday (tenant_id, date, starts_at, ends_at, zone)"
            " VALUES (%s, '2020-02-29', '2020-02-29Z', '2020-03-01Z', 'UTC')",
            [tenant.pk],
        )
    assert dates(tenant, "2020-02-29") == ("2020-02-01", "2020-03-01")
