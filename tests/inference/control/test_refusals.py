"""Refusals as a tenant reads them: all runs added up, and nobody else's."""

import datetime as dt
from typing import Any

import pytest
from django.db import ProgrammingError

from inference.control.models import Refusal
from inference.control.refusals import KEPT, RefusalQuery, forget, refused
from kit.orm.roles import as_operator, as_tenant
from tests.factories.refusals import make_refusal
from tests.factories.tenants import make_key, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")
NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def read(tenant_id: int, *, size: int = 10, **asked: Any) -> Any:
    """Return refusals of an hour or more, as the tenant reads them."""
    span = {"start": NOON, "end": NOON + HOUR, **asked}
    with as_tenant(tenant_id):
        return refused(RefusalQuery(tenant_id=tenant_id, **span), size=size)


def test_runs_are_added_up_by_kind_the_most_first() -> None:
    key = make_key().row
    for source, requests in (("a", 3), ("b", 4)):
        make_refusal(key, NOON, source=source, requests=requests)
    make_refusal(key, NOON, requests=2, status=404, code="model_not_found", limit="")
    make_refusal(key, NOON + HOUR, requests=100)

    found = read(key.tenant_id)

    assert [(each.requests, each.limit) for each in found.kinds] == [
        (7, "api_key:requests:minute"),
        (2, ""),
    ]
    assert [each.is_by_limit for each in found.kinds] == [True, False]
    assert found.requests == 9
    first = found.kinds[0]
    assert first.api_key == f"{key.name} ({key.shown})"
    assert first.last_at == NOON + dt.timedelta(minutes=7)
    # What is not shown is counted.
    few = read(key.tenant_id, size=1)
    assert (len(few.kinds), few.requests) == (1, 9)


def test_a_range_is_of_the_hours_that_it_touches() -> None:
    key = make_key().row
    for hours in range(-1, 3):
        make_refusal(key, NOON + hours * HOUR, requests=10**hours if hours > 0 else 1)
    late = NOON + dt.timedelta(minutes=59)
    assert read(key.tenant_id, start=late, end=late + HOUR).requests == 1 + 10
    assert read(key.tenant_id, start=NOON + 3 * HOUR, end=NOON + 4 * HOUR).requests == 0


def test_each_filter_narrows() -> None:
    key = make_key().row
    other = make_key(tenant=key.tenant, project=key.project).row
    make_refusal(key, NOON)
    make_refusal(other, NOON, model="m2", status=503, code="engine_overloaded")
    tenant_id = key.tenant_id
    assert read(tenant_id).requests == 2
    for asked in (
        {"api_key_id": other.pk},
        {"model": "m2"},
        {"status": 503},
    ):
        assert [each.code for each in read(tenant_id, **asked).kinds] == [
            "engine_overloaded"
        ]
    assert read(tenant_id, project_id=key.project_id + 1).requests == 0
    assert read(tenant_id, reach=frozenset({key.project_id})).requests == 2
    assert read(tenant_id, reach=frozenset()).requests == 0


def test_they_are_the_tenant_s_alone() -> None:
    key = make_key().row
    other = make_tenant()
    make_refusal(key, NOON)
    with as_tenant(other.pk):
        assert not Refusal.objects.exists()
        asked = RefusalQuery(tenant_id=key.tenant_id, start=NOON, end=NOON + HOUR)
        assert refused(asked, size=5).requests == 0
    assert read(other.pk).requests == 0


def test_tenants_read_no_gateway_s_name() -> None:
    key = make_key().row
    make_refusal(key, NOON)
    with as_tenant(key.tenant_id):
        assert Refusal.objects.values_list("requests", flat=True).get() == 1
    with as_tenant(key.tenant_id), pytest.raises(ProgrammingError, match="denied"):
        list(Refusal.objects.values_list("source", flat=True))


def test_a_month_later_they_are_forgotten() -> None:
    key = make_key().row
    make_refusal(key, NOON)
    with as_operator():
        assert forget(now=NOON + KEPT) == 0
        assert forget(now=NOON + KEPT + HOUR) == 1
        assert not Refusal.objects.exists()
