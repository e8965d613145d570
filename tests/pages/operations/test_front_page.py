"""The front page says what needs somebody, and to each what it may see."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from inference.control.models import ServedModel
from metering.alerts.models import Crossing
from metering.billing.models import ProviderCustomer, ProviderOperation
from metering.collection.models import MeterDifference, MeterEvent, Outgoing
from tests.admin import page, signed_in, words
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import make_draft
from tests.pages.conftest import SignIn
from tests.pages.operations.pulses import make_pulse, well


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def test_when_all_is_well_it_says_so(admin: Client) -> None:
    make_pulse(now=timezone.now())
    assert "Nothing needs you" in words(admin.get("/admin/").content)


def test_without_a_gateway_that_is_the_first_thing(admin: Client) -> None:
    text = words(admin.get("/admin/").content)
    assert "Needs you: 1 No gateway says that it runs" in text


def test_what_retired_needs_no_replica_unless_an_adapter_does(admin: Client) -> None:
    now = timezone.now()
    make_pulse(now=now)
    for name in ("gone", "base"):
        model = make_model(name=name)
        ServedModel.objects.filter(pk=model.pk).update(retires_at=now)
    later = make_model(name="later")
    ServedModel.objects.filter(pk=later.pk).update(retires_at=now + dt.timedelta(1))
    make_model(name="adapter", base=model, adapter="a")

    (need,) = admin.get("/admin/").context["needs"]

    assert need.what == "2 models without an active replica"
    assert need.why.startswith("base, later:")


def test_each_need_is_a_link_that_leads_somewhere(admin: Client) -> None:
    now = timezone.now()
    replica = make_replica(model=make_model(name="m"), name="gpu-1")
    make_pulse(now=now, replicas=well(replica, is_up=False))
    make_pulse("gateway-2", now=now, age_s=600)
    make_model(name="lonely")
    for share in (80, 100):
        _cross(share=share, now=now)
    ProviderOperation.objects.create(
        provider="stripe",
        account="default",
        name="create_invoice",
        subject="x",
        attempt=1,
        state=ProviderOperation.State.PARKED,
        tenant_id=make_tenant().pk,
    )
    answer = admin.get("/admin/")
    found = answer.context["needs"]
    assert [each.what for each in found] == [
        "1 model without an active replica",
        "1 replica down",
        "1 provider call parked",
        "1 gateway fell silent within the hour",
        "1 tenant out of credit",
        "1 tenant low on credit",
    ]
    for each in found:
        assert admin.get(each.address).status_code == 200, each


def test_what_a_provider_is_not_told_needs_somebody(admin: Client) -> None:
    now, tenant = timezone.now(), make_tenant()
    make_pulse(now=now)
    Outgoing.objects.create(
        tenant=tenant,
        invoice=make_draft(100, provider="stripe", tenant=tenant),
        kind="refund",
        fact_id=1,
        account="default",
        problem="No.",
        asked_at=now,
        try_at=now,
    )
    of_hour = {"tenant": tenant, "counted": "requests", "account": "default"}
    MeterEvent.objects.create(
        **of_hour,
        hour=now,
        seq=1,
        quantity=1,
        state="parked",
        noted_at=now,
        try_at=now,
    )
    MeterDifference.objects.create(**of_hour, hour=now, told=2, used=1, since=now)
    ProviderCustomer.objects.create(
        tenant=tenant, provider="stripe", reference="cus_1", tax_id_problem="?"
    )
    found = admin.get("/admin/").context["needs"]
    assert [each.what for each in found] == [
        "1 fact that a provider is not told of",
        "1 meter event parked",
        "1 hour of which meters were told too much",
        "1 tax id not known at the provider",
    ]
    for each in found:
        assert admin.get(each.address).status_code == 200, each


def test_nobody_is_told_of_what_they_may_not_see(sign_in: SignIn) -> None:
    make_replica()
    client = sign_in("tenants.view_tenant")
    answer = client.get("/admin/")
    assert answer.context["needs"] == []
    assert "Healthy replicas" not in words(answer.content)
    assert page("control_replica", "changelist") not in answer.content.decode()


def _cross(*, share: int, now: dt.datetime) -> None:
    Crossing.objects.create(
        tenant=make_tenant(),
        window_id=share,
        level="tenant",
        holder_id=1,
        kind="credit",
        is_hard=True,
        share=share,
        limit_amount=100,
        used=share,
        was_told=True,
        crossed_at=now,
    )
