"""The worker's tasks: from an event to an issued invoice without anybody's help."""

import datetime as dt

import pytest
from celery import current_app
from django.conf import settings
from django.db import connections

from kit.orm.roles import as_operator
from metering.billing.models import Invoice
from metering.billing.tasks import advance_invoices, close_due_periods
from metering.ledger.models import DayPosting
from metering.ledger.tasks import post_days
from metering.usage.models import BillingDay, DayRollup
from metering.usage.selectors import database_now
from metering.usage.tasks import close_silent_epochs, roll_up, write_calendar
from metering.usage.zones import month_of
from tests.factories.billing import make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use

MINE = {
    "usage",
    "ledger",
    "billing",
    "idempotency",
    "adjustments",
    "topups",
    "inbox",
    "economics",
}


def test_every_scheduled_task_exists() -> None:
    current_app.loader.import_default_modules()
    scheduled = {str(each["task"]) for each in settings.CELERY_BEAT_SCHEDULE.values()}
    mine = {name for name in scheduled if name.partition(".")[0] in MINE}
    assert mine <= set(current_app.tasks)
    assert len(mine) == 19


@pytest.mark.parametrize("times", [1, 2])
def test_tasks_take_an_event_to_its_invoice(fresh_database: object, times: int) -> None:
    with as_operator():
        now = database_now()
        # Two months back, so that the month is over whatever the day is.
        first, _ = month_of((now - dt.timedelta(days=62)).date())
        tenant = make_tenant_of(first)
        at = dt.datetime.combine(first, dt.time(12), tzinfo=dt.UTC)
        use = make_use(price=make_price(), admitted_at=at, tenant=tenant)
        commit(make_epoch(started_at=at, state="closed"), use)

    for _ in range(times):
        write_calendar()
        roll_up()
        close_silent_epochs()
        post_days()
        close_due_periods()
        advance_invoices()

    with as_operator():
        assert DayRollup.objects.filter(tenant_id=tenant.pk).count() == 4
        assert DayPosting.objects.filter(tenant_id=tenant.pk).count() == 3
        (invoice,) = Invoice.objects.filter(tenant=tenant)
        assert invoice.number == f"T-{now.year}-000001"
        assert invoice.first_date == first
        assert BillingDay.objects.filter(tenant_id=tenant.pk, ends_at__gt=now).exists()
    connections.close_all()
