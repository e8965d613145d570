"""Fees in advance stand as deferred until the period that they pay for is closed."""

import datetime as dt
from dataclasses import replace

import pytest
from django.db.models import Sum

from kit.contracts import TokenCounts
from metering.billing.models import Invoice
from metering.billing.services import close_period, issue_invoice
from metering.ledger.models import Account, Entry
from metering.subscriptions.services import end_subscription
from tenants.models import Tenant
from tests.factories.billing import FIRST, STARTED, make_month, make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.factories.usage import commit, make_epoch, undoing

pytestmark = pytest.mark.usefixtures("operator_db")
MONTHS = [dt.date(2026, month, 1) for month in (9, 10, 11, 12)]
COUNTS = TokenCounts(output_tokens=20 * 10**6)
DAY = dt.timedelta(days=1)


def close(tenant: Tenant, first: dt.date) -> Invoice | None:
    """Close a month on the second of the next one, and issue what it comes to."""
    now = dt.datetime.combine(first, dt.time(), dt.UTC) + 33 * DAY
    invoice = close_period(tenant=tenant, date=first, now=now).invoice
    return None if invoice is None else issue_invoice(invoice=invoice, now=now)


def deferred(tenant: Tenant) -> int:
    """Return what was charged and is not earned yet, in cents."""
    entries = Entry.objects.filter(
        tenant_id=tenant.pk, account__kind=Account.Kind.DEFERRED
    )
    picos = entries.aggregate(picos=Sum("amount_picos"))["picos"] or 0
    return -int(picos) // 10**10


def test_fees_that_were_carried_over_are_earned_with_the_invoice_that_has_them() -> (
    None
):
    """October and November come to less than nothing: December asks for all of it."""
    tenant = make_tenant_of()
    row = make_subscription(
        tenant=tenant,
        starts_on=MONTHS[1],
        now=STARTED,
        version=make_plan_version(currency="USD", fee_minor=3000, fee_in_advance=True),
    )
    use = make_month(tenant=tenant, counts=TokenCounts())
    epoch = make_epoch(started_at=STARTED, state="closed")
    (event,) = commit(epoch, replace(use, counts=COUNTS))
    assert close(tenant, FIRST) is not None
    assert deferred(tenant) == 3000
    commit(epoch, undoing(event, replace(use, counts=COUNTS)))
    assert close(tenant, MONTHS[1]) is None
    assert close(tenant, MONTHS[2]) is None
    assert deferred(tenant) == 0
    commit(epoch, replace(use, counts=COUNTS, admitted_at=STARTED + 95 * DAY))
    end_subscription(
        subscription=row, ends_on=dt.date(2027, 1, 1), now=STARTED + 95 * DAY
    )

    last = close(tenant, MONTHS[3])

    assert last is not None
    fees = last.lines.filter(kind="fee").values_list("amount_minor", flat=True)
    assert list(fees) == [3000, 3000]
    # Of November and December both days are over.
    assert deferred(tenant) == 0
