"""Prometheus is told what waits at billing providers, and nobody else is."""

import datetime as dt

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from metering.billing import operations
from metering.billing.operations import Call, CallRefused
from metering.collection.models import MeterDifference, MeterEvent, Outgoing
from metering.usage.selectors import database_now
from tests.factories.inbox import take_in, told
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import make_draft

ADDRESS = "/metrics/billing/"
HOUR = dt.timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("operator_db")


def figures() -> dict[tuple[str, str], float]:
    """Return every figure by its name and its state."""
    token = f"Bearer {settings.OPERATOR_TOKEN}"
    answer = Client(headers={"Authorization": token}).get(ADDRESS)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def refuse(_: str) -> str:
    raise CallRefused("No.")


def test_where_nothing_waits_all_is_zero() -> None:
    found = figures()
    assert len(found) == 14
    assert set(found.values()) == {0}


def test_what_waits_is_counted_with_its_age() -> None:
    now, tenant = database_now(), make_tenant()
    take_in(told("evt_1"), now=now - HOUR)
    take_in(told("evt_2"), problem="?", now=now)
    call = Call("stripe", "default", "customer", "1", tenant.pk)
    with pytest.raises(CallRefused):
        operations.perform(call, send=refuse, record=str, now=now - 2 * HOUR)
    Outgoing.objects.create(
        tenant=tenant,
        invoice=make_draft(100, provider="stripe", tenant=tenant),
        kind="refund",
        fact_id=1,
        account="default",
        problem="No.",
        asked_at=now - 3 * HOUR,
        try_at=now,
    )
    of_hour = {"tenant": tenant, "account": "default", "counted": "output_tokens"}
    for seq, state in enumerate(("waiting", "cancelling", "parked", "told"), start=1):
        MeterEvent.objects.create(
            **of_hour,
            hour=now,
            seq=seq,
            quantity=1,
            state=state,
            noted_at=now - 4 * HOUR,
            try_at=now,
        )
    MeterDifference.objects.create(**of_hour, hour=now, told=2, used=1, since=now)
    found = figures()
    ages = {
        name.split("_")[1]: found.pop((name, ""))
        for name, _ in list(found)
        if name.endswith("_oldest_seconds")
    }
    assert {name: round(age / 3600) for name, age in ages.items()} == {
        "inbox": 1,
        "outbox": 2,
        "outgoing": 3,
        "meter": 4,
    }
    assert {key: value for key, value in found.items() if value} == {
        ("tollgate_inbox_events", "waiting"): 1,
        ("tollgate_inbox_events", "parked"): 1,
        ("tollgate_outbox_calls", "refused"): 1,
        ("tollgate_outgoing_facts", "refused"): 1,
        ("tollgate_meter_events", "waiting"): 2,
        ("tollgate_meter_events", "parked"): 1,
        ("tollgate_meter_differences", ""): 1,
    }


def test_it_takes_an_operators_token() -> None:
    assert Client().get(ADDRESS).status_code == 401
    wrong = Client(headers={"Authorization": "Bearer wrong"})
    assert wrong.get(ADDRESS).status_code == 401
