"""What a gateway refuses stands in the database within seconds, counted by the hour."""

from types import SimpleNamespace

import psycopg
import pytest
from psycopg import AsyncConnection
from structlog.testing import capture_logs

from inference.control.models import Refusal
from inference.gateway import refusals
from kit.contracts import Caller
from kit.errors import RateLimited
from kit.orm.roles import as_operator
from tests.databases import Database
from tests.factories.limits import make_rate_limit
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.metered import MODEL, events, metered_gateway, seed
from tests.inference.gateway.polling import wait_until


def _refuse(made: refusals.Refusals, *, key: int) -> None:
    http = SimpleNamespace(caller=Caller(7, 8, key, "USD"), model="m", is_metered=False)
    made.add(http, RateLimited("Wait.", refused_by="tenant:requests:day"))  # type: ignore[arg-type]


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


def test_what_was_refused_last_is_told_as_the_gateway_stops(
    fresh_database: Database,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issued = seed(simulator.base_url)
    with metered_gateway(fresh_database, issued) as gateway:
        with as_operator():
            make_rate_limit(
                tenant=issued.row.tenant, unit="requests", window="day", value=1
            )
        wait_until(lambda: gateway.ask().status_code == 429)
        # Its next turn does not come.
        monkeypatch.setattr(refusals, "TELL_US", 10**15)
        for _ in range(3):
            assert gateway.ask().status_code == 429
        refused = sum(each.number for each in gateway.process.refusals._counts.values())

    with as_operator():
        rows = Refusal.objects.filter(tenant_id=issued.row.tenant_id)
        assert sum(row.requests for row in rows) == refused >= 4


async def test_without_a_database_a_gateway_stops_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "LAST_S", 0.1)
    made = refusals.Refusals("g", lambda: 1_795_000_000_000_000)
    with capture_logs() as said:
        await made.tell_last("postgresql://nobody@127.0.0.1:1/none")
    # Nothing was refused, so nothing is lost, and nobody is asked.
    assert said == []
    _refuse(made, key=1)
    with capture_logs() as said:
        await made.tell_last("postgresql://nobody@127.0.0.1:1/none")
    assert [each["requests"] for each in said if each["event"] == "refusals_lost"] == [
        1
    ]


async def test_more_kinds_than_fit_at_once_are_all_told_at_the_end(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "ROWS_MAX", 2)
    made = refusals.Refusals("g", lambda: 1_795_000_000_000_000)
    for key in range(1, 6):
        _refuse(made, key=key)
    with capture_logs() as said:
        await made.tell_last(fresh_database.url_for("gateway"))
    assert said == []
    assert [count.told for count in made._counts.values()] == [1] * 5


async def test_rows_that_are_locked_hold_up_nothing_else(
    fresh_database: Database,
) -> None:
    made = refusals.Refusals("g", lambda: 1_795_000_000_000_000)
    _refuse(made, key=1)
    url = fresh_database.url_for("gateway")
    async with await AsyncConnection.connect(url, autocommit=True) as mine:
        with psycopg.connect(fresh_database.url_for("owner")) as other:
            other.execute("LOCK TABLE control_refusal IN ACCESS EXCLUSIVE MODE")
            await made.tell(mine)
            found = await (await mine.execute("SHOW lock_timeout")).fetchone()
        # Nothing is told, and the connection goes on as it was.
        assert not mine.closed
        assert found == ("0",)
    assert [count.told for count in made._counts.values()] == [0]
