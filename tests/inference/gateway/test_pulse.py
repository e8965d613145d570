"""What a gateway says of itself: true to what it does, and added up over processes."""

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from psycopg.errors import UndefinedTable
from structlog.testing import capture_logs

from inference.control import live
from inference.control.live import Now
from inference.control.models import Publication, Pulse, Replica
from inference.gateway import pulse
from kit.orm.roles import as_operator
from tenants import services
from tests.databases import Database
from tests.factories.limits import make_rate_limit
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until


@pytest.fixture
def gateway(
    fresh_database: Database,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MeteredGateway]:
    """Give a gateway that tells of itself whenever it looks."""
    monkeypatch.setattr(pulse, "TELL_S", 0.0)
    with metered_gateway(
        fresh_database, seed(simulator.base_url), gateway_name="gateway-7"
    ) as running:
        yield running


def serving() -> Now:
    """Read how serving is."""
    with as_operator():
        return live.now_serving(now=timezone.now())


def test_it_tells_what_runs_and_what_was_counted(
    gateway: MeteredGateway, simulator: RunningSimulator
) -> None:
    tenant_id = gateway.issued.row.tenant_id
    simulator.change(inter_token_ms=5, answer_tokens=100_000)
    with gateway.raw() as raw:
        raw.chat(MODEL, stream=True)
        raw.read_text(" t2 ")
        wait_until(lambda: serving().running == 1)
        while_running = serving()
        raw.leave()
    wait_until(lambda: serving().traffic.settled == 1)
    after = serving()

    assert while_running.tenants == ((tenant_id, 1),)
    assert while_running.replicas[0].running == 1
    assert [(each.name, each.is_ready) for each in after.gateways] == [
        ("gateway-7", True)
    ]
    assert (after.running, after.waiting, after.healthy) == (0, 0, 1)
    [model] = after.models
    assert (model.name, model.healthy, model.expected) == (MODEL, 1, 1)
    assert model.traffic.first_token_p95_us is not None
    assert after.traffic.output_tokens_per_10s >= 1
    assert after.traffic == model.traffic == model.replicas[0].traffic


class _Refusing:
    """A connection to a database that has no place for pulses, until it has."""

    def __init__(self) -> None:
        self.refuses = True

    async def execute(self, *_: object) -> None:
        """Refuse, as a database from before the table was made."""
        if self.refuses:
            raise UndefinedTable("control_pulse")


async def test_what_keeps_pulses_away_is_logged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse, "TELL_S", 0.0)
    monkeypatch.setattr(pulse.Pulse, "body", lambda _: {})
    connection: Any = _Refusing()
    nothing: Any = None
    telling = pulse.Pulse(nothing, gateway="g", now=time.monotonic)
    with capture_logs() as logged:
        for refuses in (True, True, False, True):
            connection.refuses = refuses
            await telling.tell(connection)
    assert [each["event"] for each in logged] == ["pulse_not_told"] * 2


def test_refusals_are_told_by_reason(gateway: MeteredGateway) -> None:
    with as_operator():
        make_rate_limit(
            tenant=gateway.issued.row.tenant, unit="requests", window="day", value=1
        )
    wait_until(lambda: gateway.ask().status_code == 429)
    wait_until(lambda: serving().refusals > 0)
    assert dict(serving().refused).keys() == {"rate_limit"}


def test_one_sees_how_far_a_revocation_has_come(gateway: MeteredGateway) -> None:
    key = gateway.issued.row

    def known() -> live.Seen | None:
        with as_operator():
            return live.seen(kind="api_key", key=key.digest, now=timezone.now())

    with as_operator():
        # One that hears of nothing any more.
        Pulse.objects.create(
            gateway="deaf",
            at=timezone.now(),
            started_at=timezone.now(),
            body={**Pulse.objects.get().body, "version": 0},
        )
        services.revoke_key(api_key=key, now=timezone.now())
    wait_until(lambda: known() == live.Seen(by=1, of=2))
    with as_operator():
        Pulse.objects.filter(gateway="deaf").update(at=timezone.now() - 2 * live.SILENT)
    assert known() == live.Seen(by=1, of=1)
    with as_operator():
        assert live.seen(kind="api_key", key="none", now=timezone.now()) is None
        assert Publication.objects.get(kind="api_key", key=key.digest).body is None


@pytest.mark.usefixtures("operator_db")
def test_processes_are_added_up_and_silent_ones_left_out() -> None:
    now = timezone.now()
    body = {
        "version": 1,
        "is_ready": True,
        "running": 3,
        "tenants": [[7, 2], [8, 1]],
        "waiting": {"m": 2},
        "replicas": {},
        "span_ms": 60_000,
        "counts": {"refused.queue_full": 4},
    }
    for name, age_s in (("a", 1), ("b", 2), ("gone", 3600), ("long gone", 90_000)):
        at = now - dt.timedelta(seconds=age_s)
        Pulse.objects.create(gateway=name, at=at, started_at=at, body=body)
    said = live.now_serving(now=now)
    assert [(each.name, each.is_silent) for each in said.gateways] == [
        ("a", False),
        ("b", False),
        ("gone", True),
    ]
    assert (said.running, said.waiting, said.live_gateways) == (6, 4, 2)
    assert said.tenants == ((7, 4), (8, 2))
    assert said.refused == (("queue_full", 8),)
    assert live.forget(now=now) == 1


@pytest.mark.usefixtures("operator_db")
def test_without_a_pulse_nothing_is_known_and_nothing_fails() -> None:
    said = live.now_serving(now=timezone.now())
    assert said.gateways == ()
    assert {each.condition for each in said.replicas} <= {"unknown"}
    assert Replica.objects.count() == len(said.replicas)
