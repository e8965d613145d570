"""Plans are priced, and tenants subscribed, on the operators' pages."""

import datetime as dt
import json

import pytest
from django.test import Client
from django.utils import timezone

from metering.jobs.models import Job
from metering.jobs.stepping import work
from metering.subscriptions.api.examples import COMPONENT, DISCOUNT
from metering.subscriptions.models import PlanVersion, Subscription
from tests.admin import action, confirm, page, signed_in, words
from tests.admin.forms import fields_of
from tests.factories.billing import make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.factories.tenants import make_tenant
from tests.metering.subscriptions.at_hand import this_month

VERSION, SUBSCRIPTION = "subscriptions_planversion", "subscriptions_subscription"


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def drafted(admin: Client, **changes: str) -> PlanVersion | None:
    """Return the draft that the form made of a plan, if it did."""
    plan = make_plan_version().plan
    form = {
        "plan": str(plan.pk),
        "currency": "USD",
        "name": "Team 2026",
        "fee": "49.00",
        "minimum_commitment": "100",
        "components": json.dumps([COMPONENT]),
        "discounts": json.dumps([DISCOUNT]),
        **changes,
    }
    admin.post(page(VERSION, "add"), form)
    return PlanVersion.objects.filter(plan=plan, number=2).first()


def test_a_draft_is_written_changed_and_published(admin: Client) -> None:
    draft = drafted(admin)
    assert draft is not None
    assert (draft.fee_minor, draft.minimum_commitment_minor) == (4900, 10000)
    assert [each.name for each in draft.components.all()] == [COMPONENT["name"]]
    change = page(VERSION, "change", draft.pk)
    shown = admin.get(change).content.decode()
    assert 'value="49.00"' in shown
    assert "graduated" in shown

    form = fields_of(admin.get(change)) | {"fee": "59.5", "components": "[]"}
    changed = admin.post(change, form)
    assert changed.status_code == 302
    draft.refresh_from_db()
    assert draft.fee_minor == 5950
    assert not draft.components.exists()

    publish = action(VERSION, "publish", draft.pk)
    asked = words(admin.get(publish).content)
    assert "59.50" in asked
    assert "discounts: 1" in asked
    confirm(admin, publish)
    draft.refresh_from_db()
    assert draft.state == "published"
    assert publish.encode() not in admin.get(change).content
    assert "Launch" in words(admin.get(change).content)
    assert admin.post(change, {"fee": "1"}).status_code == 403


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("fee", "4.999", "at most 2 decimal places"),
        ("fee", "much", "decimal"),
        ("components", "{", "JSON"),
        ("components", '[{"name": "x"}]', "1 meter: This field is required."),
        ("discounts", '[{"name": "x", "scope": "all", "percent": 5}]', "1 percent"),
    ],
)
def test_what_is_no_plan_is_said_beside_its_field(
    admin: Client, field: str, text: str, said: str
) -> None:
    plan = make_plan_version().plan
    form = {
        "plan": str(plan.pk),
        "currency": "USD",
        "fee": "1",
        "minimum_commitment": "0",
        field: text,
    }
    answer = admin.post(page(VERSION, "add"), form)
    assert said in words(answer.content)
    assert PlanVersion.objects.filter(plan=plan).count() == 1


def test_holders_are_moved_by_a_job(admin: Client) -> None:
    first, now = this_month()
    source = make_plan_version(fee_minor=1000)
    target = make_plan_version(plan=source.plan, fee_minor=2000)
    tenants = [make_tenant_of(first) for _ in range(3)]
    for each in tenants:
        make_subscription(tenant=each, version=source, starts_on=first, now=now)
    migrate = action(VERSION, "migrate", source.pk)
    assert "with their next period: 3." in words(admin.get(migrate).content)
    confirm(admin, migrate, target=str(target.pk))
    job = Job.objects.get()
    assert (job.state, job.whole, job.actor_kind) == ("waiting", 3, "operator")
    work(now=timezone.now())
    job.refresh_from_db()
    assert (job.state, job.outcome) == ("done", {"moved": 3, "not moved": 0})
    held = Subscription.objects.filter(version=target, ends_on__isnull=True)
    assert held.count() == 3
    assert "moved: 3" in words(admin.get(page("jobs_job", "change", job.pk)).content)


def test_a_version_of_another_currency_is_not_offered(admin: Client) -> None:
    source, other = make_plan_version(), make_plan_version(currency="EUR")
    confirm(admin, action(VERSION, "migrate", source.pk), target=str(other.pk))
    assert not Job.objects.exists()


def test_a_tenant_is_subscribed_changed_and_ended(admin: Client) -> None:
    first, now = this_month()
    version = make_plan_version(fee_minor=1000)
    other = make_plan_version(fee_minor=2000)
    tenant = make_tenant_of(first)
    form = {"tenant": tenant.pk, "version": version.pk, "starts_on": str(now.date())}
    assert admin.post(page(SUBSCRIPTION, "add"), form).status_code == 302
    row = Subscription.objects.get()
    assert "10.00 USD" in words(admin.get(page(SUBSCRIPTION, "changelist")).content)

    go_over = action(SUBSCRIPTION, "go_over", row.pk)
    assert f"holds {version}" in words(admin.get(go_over).content)
    confirm(admin, go_over, version=str(other.pk), starts_on="")
    row.refresh_from_db()
    assert row.ends_on is not None
    new = Subscription.objects.get(version=other)
    assert new.starts_on == row.ends_on

    end = action(SUBSCRIPTION, "end", new.pk)
    assert "20.00 USD a period" in words(admin.get(end).content)
    confirm(admin, end, ends_on=str(new.starts_on + dt.timedelta(days=3)))
    new.refresh_from_db()
    assert new.ends_on == new.starts_on + dt.timedelta(days=3)


def test_what_the_service_refuses_is_said(admin: Client) -> None:
    version = make_plan_version()
    tenant = make_tenant(payment_mode="prepaid")
    form = {"tenant": tenant.pk, "version": version.pk, "starts_on": "2026-11-22"}
    answer = admin.post(page(SUBSCRIPTION, "add"), form, follow=True)
    assert "pays before use" in words(answer.content)
    assert not Subscription.objects.exists()
