"""A limit is raised until a date, and then what held before holds again."""

import datetime as dt
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tenants.admin.limits_in_effect import limits_of
from tenants.models import AuditEntry, Limit, Quota, Tenant
from tests.admin import signed_in, words
from tests.factories.limits import make_budget, make_plan, make_quota, make_rate_limit
from tests.factories.tenants import make_tenant
from tests.pages.conftest import SignIn


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def address(tenant: Tenant, row: Limit) -> str:
    """Return where a limit is raised."""
    kind = {"RateLimit": "rate_limit"}.get(type(row).__name__, type(row).__name__)
    return f"/admin/tenants/{tenant.pk}/limits/raise/?limit={kind.lower()}-{row.pk}"


def in_force(tenant: Tenant, at: dt.datetime) -> list[tuple[str, str]]:
    """Return what holds at an instant."""
    return [(each.counted, each.amount) for each in limits_of(tenant, now=at).lines]


@pytest.mark.parametrize("is_plans", [True, False])
def test_it_holds_to_the_end_of_the_day_and_no_longer(
    admin: Client, is_plans: bool
) -> None:
    plan = make_plan(is_default=True)
    tenant = make_tenant(zone="Pacific/Auckland")
    holder: dict[str, Any] = {"plan": plan} if is_plans else {"tenant": tenant}
    row = make_quota(**holder, unit="tokens", window="day", value=100_000)
    now = timezone.now()
    until = dt.date(now.year, now.month, now.day) + dt.timedelta(days=3)
    where = address(tenant, row)
    assert (
        where.replace("&", "&amp;")
        in admin.get(f"/admin/tenants/{tenant.pk}/limits/").content.decode()
    )
    assert "Now 100,000" in words(admin.get(where).content)
    answer = admin.post(where, {"value": "250,000", "until": f"{until}"}, follow=True)
    assert "250,000 tokens per day until" in words(answer.content)
    assert "then 100,000 again." in words(answer.content)
    assert in_force(tenant, now) == [("tokens per day", "250,000")]
    # The day ends at noon of UTC, or at eleven in their summer.
    ends = dt.datetime.combine(until, dt.time(11), tzinfo=dt.UTC)
    last = ends - dt.timedelta(minutes=1)
    assert in_force(tenant, last) == [("tokens per day", "250,000")]
    later = ends + dt.timedelta(hours=1)
    assert in_force(tenant, later) == [("tokens per day", "100,000")]
    raised = Quota.objects.exclude(pk=row.pk).get()
    told = AuditEntry.objects.filter(object_kind="quota", object_id=str(raised.pk))
    assert [each.actor_kind for each in told] == ["operator"]


def test_the_same_form_sent_twice_sets_one_limit(admin: Client) -> None:
    tenant, until = make_tenant(), timezone.now().date() + dt.timedelta(days=3)
    row = make_quota(tenant=tenant, unit="tokens", window="day", value=100_000)
    other = make_quota(tenant=make_tenant(), unit="tokens", window="day", value=1)
    asked = {"value": "250000", "until": f"{until}"}
    for said in ("250,000 tokens per day until", "Raised before: 250,000 tokens"):
        answer = admin.post(address(tenant, row), asked, follow=True)
        assert said in words(answer.content)
    assert Quota.objects.filter(tenant=tenant).count() == 2
    elsewhere = admin.post(address(tenant, other), asked)
    assert elsewhere.status_code == HTTPStatus.NOT_FOUND


def test_money_and_flow_are_raised_too(admin: Client) -> None:
    tenant, today = make_tenant(), f"{timezone.now():%Y-%m-%d}"
    budget = make_budget(tenant=tenant, window="month", amount_picos=5 * 10**12)
    rate = make_rate_limit(tenant=tenant, unit="requests", window="minute", value=60)
    for row, value in ((budget, "7.50"), (rate, "90")):
        answer = admin.post(address(tenant, row), {"value": value, "until": today})
        assert answer.status_code == HTTPStatus.FOUND
    assert sorted(in_force(tenant, timezone.now())) == [
        ("money per month", "7.50 USD"),
        ("requests per minute", "90"),
    ]


@pytest.mark.parametrize(
    ("value", "days", "said"),
    [
        ("100000", 1, "Give more than 100,000"),
        ("1.5", 1, "Give a whole number."),
        ("9" * 30, 1, "Give a whole number."),
        ("200000", -2, "Choose today or a day of the coming year."),
        ("200000", 500, "Choose today or a day of the coming year."),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_set(
    admin: Client, value: str, days: int, said: str
) -> None:
    tenant = make_tenant()
    row = make_quota(tenant=tenant, unit="tokens", window="day", value=100_000)
    until = timezone.now().date() + dt.timedelta(days=days)
    answer = admin.post(address(tenant, row), {"value": value, "until": f"{until}"})
    assert answer.status_code == HTTPStatus.OK
    assert said in words(answer.content)
    assert Quota.objects.count() == 1


def test_a_second_one_is_refused_with_what_to_do(admin: Client) -> None:
    tenant, today = make_tenant(), f"{timezone.now():%Y-%m-%d}"
    row = make_quota(tenant=tenant, unit="tokens", window="day", value=100_000)
    asked = {"value": "200000", "until": today}
    assert admin.post(address(tenant, row), asked).status_code == HTTPStatus.FOUND
    # The one that holds now is the raised one: the first is not in effect.
    assert admin.get(address(tenant, row)).status_code == HTTPStatus.NOT_FOUND
    raised = Quota.objects.exclude(pk=row.pk).get()
    again = admin.post(address(tenant, raised), {**asked, "value": "300000"})
    assert "There is such a quota until a date already" in words(again.content)


def test_who_may_not_set_limits_is_not_offered_it(sign_in: SignIn) -> None:
    tenant = make_tenant()
    row = make_quota(tenant=tenant, unit="tokens", window="day", value=100_000)
    client = sign_in("tenants.view_tenant", "tenants.view_budget")
    shown = client.get(f"/admin/tenants/{tenant.pk}/limits/").content.decode()
    assert "100,000" in shown
    assert "/raise/" not in shown
    today = f"{timezone.now():%Y-%m-%d}"
    for answer in (
        client.get(address(tenant, row)),
        client.post(address(tenant, row), {"value": "200000", "until": today}),
    ):
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert Quota.objects.count() == 1
