"""The calendar: written ahead, joined, never changed once begun."""

import datetime as dt
import itertools

import psycopg
import pytest
from django.db import IntegrityError, transaction
from structlog.testing import capture_logs

from kit.orm.roles import OPERATOR, as_operator
from metering.usage.calendar import HORIZON
from metering.usage.models import BillingDay
from metering.usage.selectors import billing_day, database_now
from metering.usage.services import cover, make_partitions, write_calendar
from tenants.models import Tenant
from tenants.services import update_tenant
from tests.databases import Database
from tests.factories.tenants import make_tenant


def days_of(tenant: Tenant) -> list[BillingDay]:
    return list(BillingDay.objects.filter(tenant_id=tenant.pk).order_by("date"))


def assert_joined(days: list[BillingDay]) -> None:
    for day, following in itertools.pairwise(days):
        assert day.ends_at == following.starts_at


def test_new_tenant_has_its_days_at_once(operator_db: None) -> None:
    tenant = make_tenant(zone="Asia/Tokyo")
    days = days_of(tenant)
    assert days[0].starts_at <= tenant.created_at < days[0].ends_at
    assert days[-1].ends_at > tenant.created_at + HORIZON - dt.timedelta(minutes=1)
    assert_joined(days)


def test_writing_again_writes_nothing(operator_db: None) -> None:
    tenant = make_tenant()
    before = days_of(tenant)
    write_calendar(now=tenant.created_at)
    assert days_of(tenant) == before


def test_calendar_follows_time(operator_db: None) -> None:
    tenant = make_tenant()
    later = tenant.created_at + dt.timedelta(days=10)
    write_calendar(now=later)
    days = days_of(tenant)
    assert days[-1].ends_at > later + HORIZON
    assert_joined(days)


def test_earlier_instant_is_covered_without_a_hole(operator_db: None) -> None:
    tenant = make_tenant(zone="Europe/Berlin")
    earlier = tenant.created_at - dt.timedelta(days=300)
    cover(tenant=tenant, earliest=earlier, latest=tenant.created_at)
    days = days_of(tenant)
    assert days[0].starts_at <= earlier < days[0].ends_at
    assert_joined(days)


@pytest.mark.parametrize("by_the_hour", [True, False])
def test_new_zone_waits_for_the_next_month(
    operator_db: None, by_the_hour: bool
) -> None:
    tenant = make_tenant(zone="UTC")
    now = database_now()
    today = billing_day(tenant=tenant, at=now).date
    kept = [day for day in days_of(tenant) if day.date.month == today.month]

    if by_the_hour:
        Tenant.objects.filter(pk=tenant.pk).update(zone="Asia/Tokyo")
        write_calendar(now=now)
    else:
        update_tenant(tenant=tenant, zone="Asia/Tokyo")

    days = days_of(tenant)
    assert days[: len(kept)] == kept
    assert {day.zone for day in days[len(kept) :]} == {"Asia/Tokyo"}
    assert days[len(kept)].ends_at - days[len(kept)].starts_at == dt.timedelta(hours=15)
    assert_joined(days)


def test_day_that_has_begun_is_not_changed(operator_db: None) -> None:
    today = days_of(make_tenant())[0]
    with pytest.raises(IntegrityError, match="fix"), transaction.atomic(using=OPERATOR):
        BillingDay.objects.filter(pk=today.pk).update(zone="Asia/Tokyo")


def test_day_that_has_begun_is_not_taken_back(operator_db: None) -> None:
    today = days_of(make_tenant())[0]
    with pytest.raises(IntegrityError, match="fix"), transaction.atomic(using=OPERATOR):
        today.delete()


def test_partitions_are_made_ahead_and_again(operator_db: None) -> None:
    now = database_now() + dt.timedelta(days=400)
    assert make_partitions(now=now)
    assert make_partitions(now=now)


def test_a_partition_waits_for_no_reader(fresh_database: Database) -> None:
    now = database_now() + dt.timedelta(days=400)
    with psycopg.connect(fresh_database.url_for("owner")) as reader:
        reader.execute("LOCK TABLE usage_event IN ACCESS SHARE MODE")
        with as_operator(), capture_logs() as said:
            make_partitions(now=now)
        assert [each["event"] for each in said] == ["partition_not_made_yet"] * 2
    with as_operator(), capture_logs() as said:
        make_partitions(now=now)
    assert said == []
