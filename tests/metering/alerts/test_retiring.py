"""Whoever called a model lately is told that it retires: thrice before, each once."""

import datetime as dt

import pytest
from django.core import mail
from pytest_django.fixtures import Settings

from inference.control.models import ServedModel
from inference.control.retiring import call_off_retirement, plan_retirement
from kit.orm.roles import as_operator
from metering.alerts.models import Delivery, Event, EventType
from metering.alerts.retiring import scan
from metering.alerts.sending import send_mails
from metering.usage.models import UtcRollup
from tenants.mails.topics import Topic
from tenants.models import Tenant
from tests.factories.control import make_model
from tests.factories.tenants import make_member, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RETIRES_AT = NOW + 60 * DAY


def used(
    tenant: Tenant, *, days_ago: int = 3, model: str = "old", requests: int = 5
) -> None:
    """Have a tenant called a model on a day."""
    with as_operator():
        UtcRollup.objects.create(
            tenant_id=tenant.pk,
            is_month=False,
            date=(NOW - days_ago * DAY).date(),
            project_id=1,
            api_key_id=1,
            model=model,
            currency="USD",
            requests=requests,
            input_tokens=1,
            cached_input_tokens=0,
            output_tokens=1,
            reasoning_tokens=0,
            charge_picos=1,
        )


def retire(*, at: dt.datetime = RETIRES_AT) -> ServedModel:
    """Plan that one model takes over from another."""
    old, new = make_model(name="old"), make_model(name="new")
    with as_operator():
        return plan_retirement(model=old, retires_at=at, successor=new, now=NOW)


def scanned(now: dt.datetime) -> int:
    """Tell whoever is to be told by then."""
    with as_operator():
        return scan(now=now)


def test_each_is_told_once_at_each_of_three_times_and_not_after() -> None:
    tenant = make_tenant()
    make_member(tenant=tenant)
    used(tenant)
    retire(at=NOW + 100 * DAY)

    def left(days: int) -> int:
        """Scan as of so many days before."""
        return scanned(NOW + (100 - days) * DAY)

    for days_ago, requests in ((-40, 7), (-80, 9)):
        used(tenant, days_ago=days_ago, requests=requests)
    assert [left(days) for days in (91, 90, 89, 31, 30, 8, 7, 1, 0, -1)] == [
        *(0, 1, 0),
        *(0, 1),
        *(0, 1, 0),
        *(0, 0),
    ]
    with as_operator():
        told = list(Event.objects.order_by("pk").values_list("data", flat=True))
    assert [each["days"] for each in told] == [90, 30, 7]
    assert [each["requests"] for each in told] == [5 + 7 + 9, 7 + 9, 9]


def test_who_never_called_it_did_long_ago_or_is_suspended_is_not_told() -> None:
    make_tenant()
    used(make_tenant(), days_ago=31)
    used(make_tenant(), model="older")
    gone = make_tenant()
    used(gone)
    caches = make_tenant()
    used(caches, model="old@cache")
    with as_operator():
        Tenant.objects.filter(pk=gone.pk).update(state=Tenant.State.SUSPENDED)
    retire()

    assert scanned(NOW) == 1
    with as_operator():
        assert Event.objects.get().tenant_id == caches.pk


def test_a_retirement_that_moves_is_told_anew_and_one_called_off_is_not() -> None:
    used(make_tenant())
    model = retire()
    assert scanned(NOW) == 1
    with as_operator():
        plan_retirement(
            model=model, retires_at=RETIRES_AT + DAY, successor=None, now=NOW
        )
    assert scanned(NOW) == 1
    with as_operator():
        call_off_retirement(model=model)
    assert scanned(NOW + 40 * DAY) == 0


def test_the_mail_says_when_what_instead_and_how_often_it_was_called(
    settings: Settings,
) -> None:
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com/"
    tenant = make_tenant(name="Acme", zone="Asia/Tokyo")
    make_member(tenant=tenant, email="ada@example.com")
    make_member(tenant=tenant, email="dev@example.com", role="developer")
    make_member(tenant=tenant, email="not@example.com", role="admin")
    with as_operator():
        tenant.members.filter(email="not@example.com").update(
            mails_off=[Topic.MODELS.value]
        )
    used(tenant, requests=1234)
    retire()
    scanned(NOW)
    with as_operator():
        assert send_mails(now=NOW) == 1
        (row,) = Delivery.objects.all()
        assert row.event.type == EventType.MODEL_RETIRING

    [message] = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject == (
        "The model “old” retires on 20 January 2027, 21:00 (Asia/Tokyo): “Acme”"
    )
    body = str(message.body)
    assert "Call “new” instead: it serves all that this one does." in body
    assert "Called: 1,234 times within 30 days\n" in body
    assert f"/console/{tenant.slug}/models/" in body
