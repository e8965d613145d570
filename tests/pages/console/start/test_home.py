"""A tenant's home shows what its use came to, and what its members should know."""

import datetime as dt
import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inference.control.retiring import plan_retirement
from kit.money import format_picos
from kit.orm.roles import APP, as_operator
from metering.pricing.rating import charge_picos
from metering.usage.periods import period_of, running_period
from metering.usage.selectors import UsageQuery, billing_day, database_now, usage
from metering.usage.services import cover
from pages.console.start.glance import glance
from tenants import services
from tenants.models import ApiKey, Member
from tenants.selectors import actor_in
from tests.factories.accounts import sign_in
from tests.factories.control import make_model
from tests.factories.limits import make_budget
from tests.factories.pricing import make_price
from tests.factories.receivables import make_invoice
from tests.factories.tenants import (
    make_key,
    make_member,
    make_project,
    make_tenant,
    midday_zone,
)
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

DAY = dt.timedelta(days=1)
QUERIES_MAX = 60


def used(*, role: str = "owner") -> tuple[Member, dt.datetime]:
    """Make a member of a tenant that used a model today and yesterday; return now."""
    tenant = make_tenant(zone=midday_zone())
    with as_operator():
        now = database_now()
        cover(tenant=tenant, earliest=now - 40 * DAY, latest=now)
    price = make_price(model="demo-model")
    use = make_use(price=price, admitted_at=now - DAY, tenant=tenant)
    epoch = make_epoch(started_at=now - 2 * DAY, heartbeat_at=now)
    commit(epoch, use, replace(use, admitted_at=now - dt.timedelta(minutes=1)))
    # Of a project that developers of the first are not in.
    other = make_key(project=make_project(tenant=tenant), name="elsewhere").row
    commit(
        epoch,
        replace(
            use,
            admitted_at=now - dt.timedelta(minutes=2),
            project_id=other.project_id,
            api_key_id=other.pk,
        ),
    )
    with as_operator():
        projects = list(tenant.projects.filter(slug=services.DEFAULT_PROJECT))
    return make_member(tenant=tenant, role=role, projects=projects), now


def home(member: Member) -> bytes:
    """Return the page as the member sees it."""
    answer = sign_in(Client(), member.user).get(f"/console/{member.tenant.slug}/")
    assert answer.status_code == 200
    return answer.content


def charged(member: Member, now: dt.datetime) -> str:
    """Return what the API's selector says of the running period."""
    with as_operator():
        day = billing_day(tenant=member.tenant, at=now)
        asked = UsageQuery(
            start=day.period_start,
            end=day.period_end,
            tenant_id=member.tenant_id,
            reach=actor_in(member).project_ids,
        )
        (total,) = usage(asked, now=now).totals
    return format_picos(total.charge_picos)


@pytest.mark.parametrize("role", ["owner", "developer"])
def test_what_is_spent_is_what_the_usage_api_says(role: str) -> None:
    member, now = used(role=role)

    page = home(member)

    assert f'title="exactly {charged(member, now)} USD"'.encode() in page
    title = "Top keys" if role == "owner" else "By API key"
    keys = [row[0] for row in tables(page)[title][1:]]
    assert any("elsewhere" in key for key in keys) is (role == "owner")


def test_billing_and_viewers_see_no_keys() -> None:
    member, _ = used(role="billing")

    found = tables(home(member))

    assert "By Model" in found
    assert not any("key" in title for title in found)


def test_a_new_tenant_is_led_to_its_first_call_and_who_may_not_is_told_why() -> None:
    member = make_member()
    viewer = make_member(tenant=member.tenant, role="viewer")

    assert "Make the first call" in text(home(member))
    assert "as soon as somebody with an API key calls" in text(home(viewer))


def test_the_nearest_limit_says_whether_it_stops_or_warns() -> None:
    member, now = used()
    make_budget(tenant=member.tenant, is_hard=False, now=now)

    said = text(home(member))

    assert "warns, stops nothing" in said
    assert f"00:00 {member.tenant.zone}" in said


def test_the_page_costs_the_same_however_much_was_used() -> None:
    member, _ = used()
    person = sign_in(Client(), member.user)
    with CaptureQueriesContext(connections[APP]) as made:
        assert person.get(f"/console/{member.tenant.slug}/").status_code == 200
    assert len(made) < QUERIES_MAX


def test_keys_that_end_soon_are_told_to_who_may_see_keys() -> None:
    member, now = used()
    viewer = make_member(tenant=member.tenant, role="viewer")
    with as_operator():
        ApiKey.objects.filter(name="elsewhere").update(expires_at=now + 13 * DAY)

    assert "1 API key expires within 14 days." in text(home(member))
    assert "expires within" not in text(home(viewer))


def test_a_model_that_retires_is_told_of_where_it_was_called_lately() -> None:
    member, now = used()
    stranger = make_member()
    with as_operator():
        at = now + 20 * DAY
        new = make_model(name="new")
        for name in ("demo-model", "unused"):
            plan_retirement(
                model=make_model(name=name), retires_at=at, successor=new, now=now
            )

    said = text(home(member))

    local = at.astimezone(ZoneInfo(member.tenant.zone))
    assert (
        f"demo-model retires on {local:%Y-%m-%d %H:%M} {member.tenant.zone}. Call new"
        " instead. 3 requests called it within 30 days." in said
    )
    assert "unused" not in said
    assert "retires" not in text(home(stranger))


def test_what_is_overdue_is_told_to_who_sees_bills() -> None:
    member, _ = used()
    developer = make_member(tenant=member.tenant, role="developer")
    late = make_invoice(tenant=member.tenant)

    said = text(home(member))

    assert "1 invoice overdue: 142.80 USD. The oldest" in said
    assert f"The oldest was due on {late.due_date:%Y-%m-%d}." in said
    assert "overdue" not in text(home(developer))


def test_a_day_is_the_average_of_whole_days_since_the_first_use() -> None:
    member, _ = used()

    said = text(home(member))

    # Yesterday cost 0.001056, and before there was nothing.
    assert "A day < 0.01 USD exactly 0.00 1056" in said


def test_the_period_before_is_compared_as_far_as_this_one_has_come() -> None:
    member, now = used()
    with as_operator():
        span = running_period(tenant_id=member.tenant_id, at=now)
        former = period_of(tenant_id=member.tenant_id, date=span.first_date - DAY)
        until = min(former.starts_at + (now - span.starts_at), former.ends_at)
        use = make_use(
            price=make_price(model="of-then"), tenant=member.tenant, admitted_at=now
        )
        epoch = make_epoch(started_at=former.starts_at - DAY, heartbeat_at=now)
        second = dt.timedelta(seconds=1)
        counted = replace(use, admitted_at=until - second)
        commit(epoch, counted, replace(use, admitted_at=until + second))
        before = glance(tenant=member.tenant, now=now).before

    assert before is not None
    assert (before.first, before.until) == (former.first_date, until)
    assert before.picos == charge_picos(counted.price, counted.counts)
    assert re.search(r"\d\d \w{3} to \d\d \w{3} \d\d:\d\d: ", text(home(member)))
