"""Plans from the first order to the last invoice, closed as the worker closes them."""

import datetime as dt
from fractions import Fraction

import pytest

from kit.contracts import TokenCounts
from metering.billing.models import Invoice
from metering.billing.rebuilding import rebuilt_lines
from metering.billing.services import close_period
from metering.subscriptions import services
from metering.subscriptions.models import PlanVersion, Subscription
from tenants.models import Tenant
from tests.factories.billing import make_month, make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription

# A quarter of an hour off, and periods that begin in the middle of a month.
ZONE, PERIOD_DAY = "Asia/Kathmandu", 15
MONTHS = [dt.date(2026, month, PERIOD_DAY) for month in (7, 8, 9, 10)]


def noon(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(12), tzinfo=dt.UTC)


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    return make_tenant_of(dt.date(2026, 7, 15), zone=ZONE, period_day=PERIOD_DAY)


def advance(fee_minor: int) -> PlanVersion:
    return make_plan_version(fee_minor=fee_minor, fee_in_advance=True)


def close_all(tenant: Tenant) -> list[Invoice | None]:
    """Close every period once its next one has begun two days ago."""
    ends = [*MONTHS[1:], dt.date(2026, 11, PERIOD_DAY)]
    return [
        close_period(
            tenant=tenant, date=first, now=noon(end) + dt.timedelta(days=2)
        ).invoice
        for first, end in zip(MONTHS, ends, strict=True)
    ]


def fees(invoice: Invoice | None) -> list[int]:
    if invoice is None:
        return []
    return [line.amount_minor for line in invoice.lines.filter(kind="fee")]


def test_fees_from_the_first_order_to_the_last_invoice(tenant: Tenant) -> None:
    """Ordered on the 25th of July, changed in September, cancelled in October."""
    first, second = advance(3100), advance(6200)
    row = make_subscription(
        tenant=tenant,
        version=first,
        starts_on=dt.date(2026, 7, 25),
        now=noon(dt.date(2026, 7, 24)),
    )
    changed = services.change_subscription(
        subscription=row,
        version=second,
        starts_on=dt.date(2026, 9, 20),
        now=noon(dt.date(2026, 9, 19)),
    )
    services.end_subscription(
        subscription=changed,
        ends_on=dt.date(2026, 10, 25),
        now=noon(dt.date(2026, 10, 24)),
    )

    july, august, september, october = close_all(tenant)

    # 21 of 31 days in arrears, and August ahead; September ahead.
    assert fees(july) == [2100, 3100]
    assert fees(august) == [3100]
    # 25 of 30 days of the second, October of it ahead, and 25 of the first unused.
    assert sorted(fees(september)) == [-2583, 5167, 6200]
    # 21 of 31 days of October are given back: less than nothing is carried over.
    assert october is None
    assert fees(october) == []


def test_the_last_period_is_invoiced_with_the_days_until_the_end(
    tenant: Tenant,
) -> None:
    """In arrears: nothing is left of it, and the period after has no invoice."""
    version = make_plan_version(fee_minor=3100, minimum_commitment_minor=6200)
    row = make_subscription(
        tenant=tenant, version=version, starts_on=MONTHS[0], now=noon(MONTHS[0])
    )
    services.end_subscription(
        subscription=row, ends_on=dt.date(2026, 9, 25), now=noon(dt.date(2026, 9, 24))
    )

    invoices = close_all(tenant)

    assert [fees(each) for each in invoices] == [[3100], [3100], [1033], []]
    totals = [None if each is None else each.subtotal_minor for each in invoices]
    # The commitment counts for a third of September too.
    assert totals == [6200, 6200, 2067, None]


def test_lines_are_the_same_whenever_they_are_made_again(tenant: Tenant) -> None:
    """Whatever was agreed since."""
    version = advance(3100)
    row = make_subscription(
        tenant=tenant, version=version, starts_on=MONTHS[0], now=noon(MONTHS[0])
    )
    make_month(tenant=tenant, counts=TokenCounts(output_tokens=10**6))
    invoices = close_all(tenant)
    services.end_subscription(
        subscription=row,
        ends_on=dt.date(2026, 11, 20),
        now=noon(dt.date(2026, 11, 19)),
    )
    for each in invoices:
        assert each is not None
        again = rebuilt_lines(each)
        assert again.sha256 == each.lines_sha256


def test_no_day_of_a_plan_is_paid_twice_by_changing_back_and_forth(
    tenant: Tenant,
) -> None:
    one, other = (make_plan_version(fee_minor=fee) for fee in (3100, 3100))
    row = make_subscription(
        tenant=tenant, version=one, starts_on=MONTHS[1], now=noon(MONTHS[1])
    )
    for day in (18, 22, 27):
        date = dt.date(2026, 8, day)
        row = services.change_subscription(
            subscription=row,
            version=other if row.version_id == one.pk else one,
            starts_on=date,
            now=noon(date),
        )
    services.end_subscription(subscription=row, now=noon(dt.date(2026, 8, 28)))
    _, august, *_ = close_all(tenant)
    assert august is not None
    exact = sum(Fraction(3100 * days, 31) for days in (3, 4, 5, 19))
    assert sum(fees(august)) == exact == 3100
    assert Subscription.objects.filter(tenant=tenant).count() == 4
