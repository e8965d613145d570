"""Subscriptions: one at a time, of days that are still open, and ended but once."""

import datetime as dt

import pytest
from django.db import IntegrityError, connections, transaction

from kit.errors import Conflict, InvalidRequest, PlatformError
from kit.orm.roles import OPERATOR
from metering.subscriptions import services
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.selectors import terms_of
from metering.subscriptions.terms import NO_TERMS
from metering.usage.periods import period_of
from tenants.models import Tenant
from tenants.services import set_payment_mode
from tests.factories.billing import make_tenant_of
from tests.factories.subscriptions import (
    make_draft_version,
    make_plan_version,
    make_subscription,
)
from tests.factories.tenants import make_tenant

AUGUST, SEPTEMBER, OCTOBER = (dt.date(2026, month, 1) for month in (8, 9, 10))
A_DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 9, 10, 12, tzinfo=dt.UTC)
TODAY = NOW.date()


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    return make_tenant_of(AUGUST)


@pytest.fixture
def version(operator_db: None) -> PlanVersion:
    return make_plan_version(fee_minor=3000)


def held_by(tenant: Tenant) -> list[tuple[int, dt.date, dt.date | None]]:
    rows = Subscription.objects.filter(tenant=tenant).order_by("starts_on", "id")
    return [(row.version_id, row.starts_on, row.ends_on) for row in rows]


def test_a_subscription_begins_today(tenant: Tenant, version: PlanVersion) -> None:
    row = services.subscribe(tenant=tenant, version=version, now=NOW)
    assert (row.starts_on, row.ends_on, row.agreed_at) == (TODAY, None, NOW)


def test_today_is_the_tenants_own(version: PlanVersion) -> None:
    tokyo = make_tenant_of(AUGUST, zone="Asia/Tokyo")
    late = dt.datetime(2026, 9, 10, 20, tzinfo=dt.UTC)
    row = services.subscribe(tenant=tokyo, version=version, now=late)
    assert row.starts_on == TODAY + A_DAY


def test_subscribing_again_changes_nothing(
    tenant: Tenant, version: PlanVersion
) -> None:
    first = services.subscribe(tenant=tenant, version=version, now=NOW)
    again = services.subscribe(
        tenant=tenant, version=version, starts_on=TODAY, now=NOW + A_DAY
    )
    assert again == first
    assert again.agreed_at == NOW


def test_a_new_version_moves_nobody(tenant: Tenant, version: PlanVersion) -> None:
    """Who subscribed keeps what was agreed."""
    make_subscription(tenant=tenant, version=version, starts_on=SEPTEMBER, now=NOW)
    make_plan_version(plan=version.plan, fee_minor=9000)
    span = period_of(tenant_id=tenant.pk, date=TODAY)
    (segment,) = terms_of(tenant_id=tenant.pk, span=span).segments
    assert segment.plan.version_id == version.pk
    assert segment.plan.fee == 30


def test_a_prepaid_tenant_holds_no_plan(version: PlanVersion) -> None:
    prepaid = make_tenant(payment_mode="prepaid")
    with pytest.raises(Conflict, match="pays before use") as refused:
        services.subscribe(
            tenant=prepaid, version=version, now=prepaid.created_at + A_DAY / 100
        )
    assert refused.value.param == "tenant"


def test_a_tenant_with_a_plan_does_not_become_prepaid(version: PlanVersion) -> None:
    tenant = make_tenant()
    now = tenant.created_at
    row = services.subscribe(tenant=tenant, version=version, now=now)
    with pytest.raises(Conflict, match="end its subscription first"):
        set_payment_mode(tenant=tenant, payment_mode="prepaid")
    assert Tenant.objects.get(pk=tenant.pk).payment_mode == "postpaid"

    services.end_subscription(subscription=row, ends_on=row.starts_on, now=now)
    set_payment_mode(tenant=tenant, payment_mode="prepaid")


def test_a_draft_cannot_be_held(tenant: Tenant) -> None:
    draft = make_draft_version()
    with pytest.raises(Conflict, match="publish it first"):
        services.subscribe(tenant=tenant, version=draft, now=NOW)
    with (
        pytest.raises(IntegrityError, match="not published"),
        transaction.atomic(using=OPERATOR),
    ):
        Subscription.objects.create(
            tenant=tenant, version=draft, starts_on=TODAY, agreed_at=NOW
        )


def test_a_plan_is_in_the_tenants_currency(tenant: Tenant) -> None:
    with pytest.raises(InvalidRequest, match="pays in USD"):
        services.subscribe(
            tenant=tenant, version=make_plan_version(currency="EUR"), now=NOW
        )


@pytest.mark.parametrize(
    ("starts_on", "match"),
    [
        (SEPTEMBER - A_DAY, "Give 2026-09-01 or later"),
        (TODAY + 367 * A_DAY, "at most 366 days ahead"),
    ],
)
def test_dates_out_of_reach_are_refused(
    tenant: Tenant, version: PlanVersion, starts_on: dt.date, match: str
) -> None:
    """What was charged stays as it was agreed."""
    with pytest.raises(InvalidRequest, match=match) as refused:
        services.subscribe(tenant=tenant, version=version, starts_on=starts_on, now=NOW)
    assert refused.value.param == "starts_on"


def test_nothing_begins_before_the_tenant(version: PlanVersion) -> None:
    tenant = make_tenant_of(dt.date(2026, 9, 8))
    with pytest.raises(InvalidRequest, match="is there since 2026-09-08"):
        services.subscribe(tenant=tenant, version=version, starts_on=SEPTEMBER, now=NOW)


def test_a_tenant_holds_one_plan_at_a_time(
    tenant: Tenant, version: PlanVersion
) -> None:
    make_subscription(
        tenant=tenant, version=version, starts_on=TODAY, ends_on=OCTOBER, now=NOW
    )
    other = make_plan_version()
    with pytest.raises(Conflict, match="from 2026-09-10 until 2026-10-01"):
        services.subscribe(
            tenant=tenant, version=other, starts_on=OCTOBER - A_DAY, now=NOW
        )
    services.subscribe(tenant=tenant, version=other, starts_on=OCTOBER, now=NOW)
    with (
        pytest.raises(IntegrityError, match="one_at_a_time"),
        transaction.atomic(using=OPERATOR),
    ):
        Subscription.objects.create(
            tenant=tenant, version=other, starts_on=OCTOBER + A_DAY, agreed_at=NOW
        )


def test_it_ends_with_the_period_unless_a_date_is_given(
    tenant: Tenant, version: PlanVersion
) -> None:
    row = make_subscription(tenant=tenant, version=version, starts_on=TODAY, now=NOW)
    ended = services.end_subscription(subscription=row, now=NOW + A_DAY)
    assert (ended.ends_on, ended.end_agreed_at) == (OCTOBER, NOW + A_DAY)
    again = services.end_subscription(subscription=row, now=NOW + 2 * A_DAY)
    assert again.end_agreed_at == NOW + A_DAY

    earlier = services.end_subscription(
        subscription=row, ends_on=TODAY + 5 * A_DAY, now=NOW + 3 * A_DAY
    )
    assert earlier.ends_on == TODAY + 5 * A_DAY
    with pytest.raises(Conflict, match="only be moved earlier"):
        services.end_subscription(subscription=row, ends_on=OCTOBER, now=NOW)


def test_the_period_after_the_last_has_no_terms(
    tenant: Tenant, version: PlanVersion
) -> None:
    """The last invoice is September's: with the days until the end, and no more."""
    row = make_subscription(
        tenant=tenant, version=version, starts_on=SEPTEMBER, now=NOW
    )
    services.end_subscription(subscription=row, ends_on=dt.date(2026, 9, 16), now=NOW)
    last, after = (
        terms_of(tenant_id=tenant.pk, span=period_of(tenant_id=tenant.pk, date=date))
        for date in (SEPTEMBER, OCTOBER)
    )
    assert [each.fee and each.fee.amount for each in last.segments] == [15]
    assert after == NO_TERMS


def test_what_has_not_begun_never_does(tenant: Tenant, version: PlanVersion) -> None:
    row = make_subscription(tenant=tenant, version=version, starts_on=OCTOBER, now=NOW)
    services.end_subscription(subscription=row, ends_on=TODAY, now=NOW)
    assert held_by(tenant) == [(version.pk, OCTOBER, OCTOBER)]
    make_subscription(tenant=tenant, version=version, starts_on=OCTOBER, now=NOW)
    assert len(held_by(tenant)) == 2


def test_a_period_that_is_over_keeps_its_end(
    tenant: Tenant, version: PlanVersion
) -> None:
    row = make_subscription(tenant=tenant, version=version, starts_on=TODAY, now=NOW)
    later = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    with pytest.raises(InvalidRequest, match="Give 2026-10-01 or later"):
        services.end_subscription(subscription=row, ends_on=OCTOBER - A_DAY, now=later)


def test_a_change_ends_one_and_begins_the_other(
    tenant: Tenant, version: PlanVersion
) -> None:
    row = make_subscription(
        tenant=tenant, version=version, starts_on=SEPTEMBER, now=NOW
    )
    better = make_plan_version(fee_minor=6000)
    services.change_subscription(
        subscription=row, version=better, starts_on=TODAY, now=NOW
    )
    assert held_by(tenant) == [
        (version.pk, SEPTEMBER, TODAY),
        (better.pk, TODAY, None),
    ]
    span = period_of(tenant_id=tenant.pk, date=TODAY)
    terms = terms_of(tenant_id=tenant.pk, span=span)
    assert [each.fee and each.fee.amount for each in terms.segments] == [9, 42]


def test_a_change_waits_for_the_next_period_unless_a_date_is_given(
    tenant: Tenant, version: PlanVersion
) -> None:
    row = make_subscription(tenant=tenant, version=version, starts_on=TODAY, now=NOW)
    better = make_plan_version()
    services.change_subscription(subscription=row, version=better, now=NOW)
    assert held_by(tenant) == [(version.pk, TODAY, OCTOBER), (better.pk, OCTOBER, None)]


def test_a_change_that_is_refused_leaves_everything_as_it_was(
    tenant: Tenant, version: PlanVersion
) -> None:
    row = make_subscription(tenant=tenant, version=version, starts_on=TODAY, now=NOW)
    for wrong in (make_plan_version(currency="EUR"), make_draft_version(), version):
        with pytest.raises(PlatformError):
            services.change_subscription(
                subscription=row, version=wrong, starts_on=TODAY + A_DAY, now=NOW
            )
    with pytest.raises(Conflict, match="does not hold on 2026-09-09"):
        services.change_subscription(
            subscription=row,
            version=make_plan_version(),
            starts_on=TODAY - A_DAY,
            now=NOW,
        )
    assert held_by(tenant) == [(version.pk, TODAY, None)]


def test_migrating_moves_those_who_hold_it_with_their_next_period(
    tenant: Tenant, version: PlanVersion
) -> None:
    fifteenth = make_tenant_of(AUGUST, period_day=15)
    leaving = make_tenant_of(AUGUST)
    for each in (tenant, fifteenth, leaving):
        make_subscription(tenant=each, version=version, starts_on=TODAY, now=NOW)
    services.end_subscription(
        subscription=Subscription.objects.get(tenant=leaving), now=NOW
    )
    target = make_plan_version(plan=version.plan)

    done = services.migrate_subscriptions(source=version, target=target, now=NOW)

    assert (done.moved, done.refused, done.left) == (2, {}, 0)
    assert held_by(tenant)[1:] == [(target.pk, OCTOBER, None)]
    assert held_by(fifteenth)[1:] == [(target.pk, dt.date(2026, 9, 15), None)]
    assert held_by(leaving)[1:] == []
    again = services.migrate_subscriptions(source=version, target=target, now=NOW)
    assert again.moved == 0


def test_migrating_names_whom_it_could_not_move(
    tenant: Tenant, version: PlanVersion
) -> None:
    make_subscription(tenant=tenant, version=version, starts_on=TODAY, now=NOW)
    Tenant.objects.filter(pk=tenant.pk).update(payment_mode="prepaid")
    target = make_plan_version()
    done = services.migrate_subscriptions(source=version, target=target, now=NOW)
    assert (done.moved, done.left) == (0, 0)
    assert "pays before use" in done.refused[tenant.slug]
    assert held_by(tenant) == [(version.pk, TODAY, None)]
    with pytest.raises(InvalidRequest, match="another version in USD"):
        services.migrate_subscriptions(source=version, target=version, now=NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE subscriptions_subscription SET starts_on = starts_on - 1 WHERE id = %s",
        "UPDATE subscriptions_subscription SET ends_on = ends_on + 1 WHERE id = %s",
        "UPDATE subscriptions_subscription SET ends_on = NULL, end_agreed_at = NULL"
        " WHERE id = %s",
    ],
)
def test_the_database_only_ever_ends_a_subscription(
    tenant: Tenant, version: PlanVersion, statement: str
) -> None:
    row = make_subscription(
        tenant=tenant, version=version, starts_on=TODAY, ends_on=OCTOBER, now=NOW
    )
    with (
        pytest.raises(IntegrityError, match="only its end"),
        transaction.atomic(using=OPERATOR),
        connections[OPERATOR].cursor() as session,
    ):
        session.execute(statement, [row.pk])
