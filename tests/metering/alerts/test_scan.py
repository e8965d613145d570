"""The scan: what is used of windows becomes crossings, events and deliveries, once."""

import datetime as dt
from threading import Thread

import pytest

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator, as_tenant
from metering.alerts import watching
from metering.alerts.models import Crossing, Delivery, Event, Watch
from metering.alerts.watching import scan
from metering.budgets.models import Window
from metering.ledger.models import CreditGrant
from metering.ledger.services import grant_credit
from metering.usage.selectors import database_now
from tenants import services
from tenants.models import Tenant
from tests.concurrency import as_another_operator
from tests.databases import Database
from tests.factories.alerts import (
    DAY,
    NOW,
    make_endpoint,
    make_installations_endpoint,
    make_window,
    post,
)
from tests.factories.limits import make_budget, make_plan, make_quota
from tests.factories.tenants import make_key, make_member, make_tenant

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("fresh_database")


def told() -> list[tuple[str, int]]:
    """Return what was told so far, in order: each type with its share."""
    with as_operator():
        rows = Event.objects.order_by("pk")
        return [(each.type, each.data["share"]) for each in rows]


def scanned(now: dt.datetime = NOW) -> int:
    """Scan as the worker does."""
    with as_operator():
        return scan(now=now)


def test_shares_are_told_as_they_are_crossed_and_not_again() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[50, 80])
    window = make_window(tenant=tenant)
    for posted in (0, 499, 500, 501, 799, 900, 999, 1000, 1001):
        post(window, posted)
        scanned()
    assert told() == [
        ("budget.threshold_reached", 50),
        ("budget.threshold_reached", 80),
        ("budget.spent", 100),
    ]


def test_what_is_not_due_is_not_looked_at() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[50])
    window = make_window(tenant=tenant)
    assert [scanned(), scanned()] == [1, 0]
    with as_operator():
        assert Watch.objects.get().due_amount == 500
    post(window, 499)
    assert scanned() == 0
    post(window, 500)
    assert [scanned(), scanned()] == [1, 0]
    assert len(told()) == 1


def test_of_two_at_once_the_highest_is_told_and_both_stand() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[50, 80, 95])
    make_window(tenant=tenant, posted=830)
    scanned()
    assert told() == [("budget.threshold_reached", 80)]
    with as_operator():
        shares = Crossing.objects.order_by("share").values_list("share", "was_told")
        assert list(shares) == [(50, False), (80, True)]


def test_soft_limits_warn_beside_hard_ones() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant)
    make_quota(100, tenant=tenant, is_hard=False, warn_at=[50])
    make_window(tenant=tenant, posted=1000)
    scanned()
    assert told() == [("budget.spent", 100), ("budget.threshold_reached", 100)]
    with as_operator():
        hard = [each.data["is_hard"] for each in Event.objects.order_by("pk")]
    assert hard == [True, False]


def test_a_raised_limit_resumes_and_may_be_crossed_again() -> None:
    tenant = make_tenant()
    quota = make_quota(1000, tenant=tenant, warn_at=[80])
    window = make_window(tenant=tenant, posted=1000)
    scanned()
    with as_operator():
        services.change_limit(limit=quota, now=NOW, value=2000)
    # The change itself has the window looked at.
    assert scanned() == 1
    post(window, 1700)
    scanned()
    assert told() == [
        ("budget.spent", 100),
        ("budget.resumed", 50),
        ("budget.threshold_reached", 80),
    ]


def test_an_ended_window_clears_and_what_was_spent_goes_on() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[80])
    make_window(tenant=tenant, posted=1000)
    scanned()
    scanned(DAY + 24 * HOUR)
    scanned(DAY + 25 * HOUR)
    assert told() == [("budget.spent", 100), ("budget.resumed", 100)]
    with as_operator():
        assert not Crossing.objects.filter(cleared_at=None).exists()
        assert not Watch.objects.exists()
    make_window(
        tenant=tenant,
        posted=900,
        starts_at=DAY + 24 * HOUR,
        ends_at=DAY + 48 * HOUR,
    )
    scanned(DAY + 25 * HOUR)
    assert told()[2:] == [("budget.threshold_reached", 80)]


def test_a_limit_that_runs_out_is_noticed_at_its_instant() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[80])
    make_quota(5000, tenant=tenant, warn_at=[80], ends_at=NOW + HOUR)
    make_window(tenant=tenant, posted=900)
    # The second look is past.
    scanned()
    scanned(NOW + 3 * MINUTE)
    assert told() == []
    scanned(NOW + HOUR - MINUTE)
    assert told() == []
    scanned(NOW + HOUR)
    assert told() == [("budget.threshold_reached", 80)]


def test_a_plans_limit_is_told_of_each_tenant_on_it() -> None:
    plan = make_plan()
    first, second = make_tenant(), make_tenant()
    with as_operator():
        services.set_plan(tenant=first, plan=plan)
    make_window(tenant=first, posted=90)
    make_window(tenant=second, posted=90)
    scanned()
    make_quota(100, plan=plan, warn_at=[80])
    scanned()
    with as_operator():
        assert [each.tenant_id for each in Event.objects.all()] == [first.pk]


def test_a_tenants_own_limit_marks_its_windows_in_its_own_role() -> None:
    tenant, other = make_tenant(), make_tenant()
    for each in (tenant, other):
        make_window(tenant=each, posted=90)
    scanned()
    with as_tenant(tenant.pk):
        watching.mark(tenant_id=tenant.pk)
        watching.mark(tenant_id=other.pk)
    with as_operator():
        marked = Watch.objects.filter(look_at__lt=NOW)
        assert [each.tenant_id for each in marked] == [tenant.pk]


def test_money_is_told_exactly_with_its_currency() -> None:
    tenant = make_tenant(currency="EUR", slug="acme", name="Acme")
    budget = make_budget(20 * 10**12, tenant=tenant, warn_at=[80])
    make_window(
        tenant=tenant,
        kind="budget",
        unit="",
        window="month",
        posted=16_400_000_000_001,
    )
    scanned()
    with as_operator():
        [event] = Event.objects.all()
    assert event.data == {
        "tenant": {"id": tenant.pk, "slug": "acme", "name": "Acme"},
        "scope": {"level": "tenant", "id": tenant.pk, "name": "Acme"},
        "kind": "budget",
        "limit_id": budget.pk,
        "unit": "money",
        "currency": "EUR",
        "window": "month",
        "starts_at": "2026-11-20T00:00:00Z",
        "ends_at": "2026-11-21T00:00:00Z",
        "model": None,
        "is_hard": True,
        "share": 80,
        "limit": "20.00",
        "used": "16.400000000001",
        "limit_picos": "20000000000000",
        "used_picos": "16400000000001",
    }


def make_prepaid() -> Tenant:
    """Make a tenant that pays from credit, in euros."""
    with as_operator():
        return services.set_payment_mode(
            tenant=make_tenant(currency="EUR"), payment_mode="prepaid"
        )


def top_up(tenant: Tenant, reference: str, picos: int = 10**13) -> dt.datetime:
    """Grant ten euros; return an instant after it, by the clock of grants."""
    with as_operator():
        grant_credit(
            tenant=tenant,
            now=database_now(),
            source="top_up",
            amount_picos=picos,
            reference=reference,
        )
        return database_now()


def test_credit_is_told_when_it_is_spent_and_when_it_is_topped_up() -> None:
    tenant = make_prepaid()
    scanned(top_up(tenant, "first"))
    with as_operator():
        # Which the first grant has opened.
        window = Window.objects.get(kind="credit")
    post(window, 10**13)
    with as_operator():
        scanned(database_now())
    assert scanned(top_up(tenant, "second")) == 1
    assert told() == [("budget.spent", 100), ("budget.resumed", 0)]
    with as_operator():
        said = Event.objects.order_by("pk")[0].data
    assert (said["kind"], said["limit"], said["ends_at"]) == ("credit", "10.00", None)


def test_what_is_left_of_credit_is_not_held_against_all_that_ever_was() -> None:
    tenant = make_prepaid()
    scanned(top_up(tenant, "of years", 10**18))
    with as_operator():
        window = Window.objects.get(kind="credit")
    post(window, 10**18)
    with as_operator():
        scanned(database_now())
    top_up(tenant, "of today")
    # Of ten euros a tenth is left: of a million less than a thousandth.
    for posted in (0, 9 * 10**12, 10**13):
        post(window, 10**18 + posted)
        with as_operator():
            scanned(database_now())
    assert told() == [
        ("budget.spent", 100),
        ("budget.resumed", 0),
        ("budget.spent", 100),
    ]
    with as_operator():
        said = Event.objects.order_by("pk")[2].data
    assert (said["limit"], said["used"]) == ("10.00", "10.00")


def test_a_look_at_credit_that_has_run_out_settles_none_of_it() -> None:
    """That takes the lock of the window, without which it may wait for a top-up."""
    tenant = make_prepaid()
    with as_operator():
        grant_credit(
            tenant=tenant,
            now=database_now(),
            source="top_up",
            amount_picos=10**13,
            reference="short",
            expires_at=database_now() + HOUR,
        )
        assert scan(now=database_now() + 2 * HOUR) == 1
        assert CreditGrant.objects.get().expired_at is None


def test_who_is_told_of_a_keys_budget() -> None:
    tenant = make_tenant(billing_email="BILLS@example.com")
    members = {
        role: make_member(tenant=tenant, role=role)
        for role in ("owner", "admin", "billing", "developer", "viewer")
    }
    # The same address as the bills': told once.
    twice = make_member(tenant=tenant, role="owner", email="bills@example.com")
    key = make_key(tenant=tenant).row
    with as_operator(), atomic():
        key.member = members["developer"]
        key.save()
    make_quota(100, api_key=key, warn_at=[80])
    make_window(tenant=tenant, level="api_key", holder_id=key.pk, posted=90)
    own = make_endpoint(tenant=tenant).row
    spent_only = make_endpoint(tenant=tenant, events=["budget.spent"]).row
    others = make_endpoint().row
    ours = make_installations_endpoint(url="https://ours.example.com/").row
    scanned()
    with as_operator():
        rows = Delivery.objects.order_by("pk")
        mailed = {each.member_id for each in rows if each.channel == "mail"}
        called = {each.endpoint_id: each.tenant_id for each in rows if each.endpoint_id}
    told_roles = ("owner", "admin", "billing", "developer")
    assert mailed == {members[role].pk for role in told_roles} | {twice.pk}
    assert called == {own.pk: tenant.pk, ours.pk: None}
    assert spent_only.pk not in called
    assert others.pk not in called


def test_a_window_that_was_opened_unseen_is_watched_all_the_same() -> None:
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[80])
    make_window(tenant=tenant, posted=900)
    with as_operator():
        Watch.objects.create(
            window_id=10**6, tenant_id=tenant.pk, look_at=DAY + 99 * HOUR
        )
    assert scanned() == 0
    with as_operator():
        watching.watch_all(now=NOW)
    assert scanned() == 1
    assert told() == [("budget.threshold_reached", 80)]


def test_two_scanners_at_once_tell_once(fresh_database: Database) -> None:
    tenants = [make_tenant() for _ in range(5)]
    windows = []
    for tenant in tenants:
        make_quota(1000, tenant=tenant, warn_at=[50, 80])
        windows.append(make_window(tenant=tenant))
    scanned()
    for window in windows:
        post(window, 850)
    failed: list[Exception | None] = []

    def work() -> None:
        failed.append(as_another_operator(lambda: scan(now=NOW)))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [None] * 4
    assert told() == [("budget.threshold_reached", 80)] * 5
    with as_operator():
        assert Crossing.objects.count() == 10


def test_a_scanner_passes_by_what_another_holds(tenant_window: Tenant) -> None:
    post_all(tenant_window)
    with as_operator(), atomic():
        list(Watch.objects.select_for_update())
        failed: list[Exception | None] = []
        other = Thread(
            target=lambda: failed.append(as_another_operator(lambda: scan(now=NOW)))
        )
        other.start()
        other.join(timeout=30)
        assert failed == [None]
    assert told() == []
    scanned()
    assert len(told()) == 1


@pytest.fixture
def tenant_window(fresh_database: Database) -> Tenant:
    """Provide a tenant with a limit and a window that was looked at once."""
    tenant = make_tenant()
    make_quota(1000, tenant=tenant, warn_at=[50])
    make_window(tenant=tenant)
    scanned()
    return tenant


def post_all(tenant: Tenant) -> None:
    """Use up more than half of the tenant's windows."""
    with as_operator():
        windows = list(Window.objects.filter(tenant_id=tenant.pk))
    for window in windows:
        post(window, 600)
