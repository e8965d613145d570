"""What a gateway refuses stands in the database within seconds, counted by the hour."""

import pytest

from inference.control.models import Refusal
from inference.gateway import refusals
from kit.orm.roles import as_operator
from tests.databases import Database
from tests.factories.limits import make_rate_limit
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.metered import MODEL, events, metered_gateway, seed
from tests.inference.gateway.polling import wait_until


def test_a_gateway_tells_what_it_refused(
    fresh_database: Database,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "TELL_US", 0)
    issued = seed(simulator.base_url)
    tenant = issued.row.tenant

    def told() -> list[Refusal]:
        with as_operator():
            return list(Refusal.objects.filter(tenant_id=tenant.pk))

    def number() -> int:
        return sum(row.requests for row in told())

    with metered_gateway(fresh_database, issued) as gateway:
        with as_operator():
            make_rate_limit(tenant=tenant, unit="requests", window="day", value=1)
        wait_until(lambda: gateway.ask().status_code == 429)
        wait_until(lambda: number() == 1)
        assert gateway.ask().status_code == 429
        # The same row, with all of the hour; or another, where that has just ended.
        wait_until(lambda: number() == 2)
        source = gateway.process.refusals.source

    for row in told():
        assert (row.api_key_id, row.project_id) == (
            issued.row.pk,
            issued.row.project_id,
        )
        assert (row.model, row.status, row.source) == (MODEL, 429, source)
        assert (row.code, row.refused_by) == (
            "rate_limit_exceeded",
            "tenant:requests:day",
        )
        assert row.last_at.replace(minute=0, second=0, microsecond=0) == row.hour
    # What was let in has its event, and what was refused none.
    assert {event.status for event in events()} <= {0}
