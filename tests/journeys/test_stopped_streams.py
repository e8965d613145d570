"""Streams that run for a key end with it, on every gateway process within a second.

Four processes with twenty streams each. What a client has of its stream is billed, to
the token, and it hears why there is no more. It holds where announcements get lost.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from django.db import connections
from django.utils import timezone

from inference.control import publication
from kit.contracts import EventStatus
from kit.orm.roles import APP, OPERATOR, as_operator, as_tenant
from metering.usage.models import Event
from tenants import services as tenants
from tenants.models import ApiKey
from tenants.services import IssuedKey
from tests.databases import Database
from tests.factories.tenants import make_key
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.metered import MODEL, seed
from tests.inference.gateway.polling import wait_until
from tests.journeys.gateways import GatewayUnderTest, running_gateways

pytestmark = pytest.mark.timeout(180)

GATEWAYS = 4
STREAMS = 20
SECONDS_MAX = 1.0
TOKENS = 4_000
INTER_TOKEN_MS = 50
EXPIRES_IN = dt.timedelta(seconds=1)


class Installation(NamedTuple):
    """The processes, and the keys of one tenant."""

    gateways: list[GatewayUnderTest]
    keys: list[IssuedKey]


@pytest.fixture
def installation(fresh_database: Database, tmp_path: Path) -> Iterator[Installation]:
    """Run four gateways before an engine that takes its time."""
    with running_simulator(inter_token_ms=INTER_TOKEN_MS) as engine:
        first = seed(engine.base_url)
        tenant = first.row.tenant
        keys = [first, make_key(tenant=tenant), make_key(tenant=tenant)]
        with running_gateways(fresh_database, tmp_path, count=GATEWAYS) as gateways:
            yield Installation(gateways, keys)
    for alias in (APP, OPERATOR):
        connections[alias].close()


def _revoke(key: ApiKey) -> float:
    with as_tenant(key.tenant_id):
        tenants.revoke_key(api_key=key, now=timezone.now())
    return time.monotonic()


def _expire(key: ApiKey) -> float:
    """Let it expire shortly; return that instant."""
    ends = timezone.now() + EXPIRES_IN
    with as_tenant(key.tenant_id):
        tenants.update_key(api_key=key, expires_at=ends)
    return time.monotonic() + (ends - timezone.now()).total_seconds()


def _suspend(key: ApiKey) -> float:
    with as_operator():
        tenants.suspend_tenant(tenant=key.tenant)
    return time.monotonic()


CHANGES: dict[str, tuple[Callable[[ApiKey], float], str]] = {
    "revoked": (_revoke, "key_revoked"),
    "expired": (_expire, "key_revoked"),
    # Last, for nothing of the tenant runs afterwards.
    "suspended": (_suspend, "tenant_suspended"),
}


@pytest.mark.parametrize("announcements", ["heard", "lost"])
def test_running_streams_end_within_a_second_and_cost_what_was_had(
    installation: Installation, announcements: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if announcements == "lost":
        monkeypatch.setattr(publication, "CHANNEL", "nobody_listens_here")
    for key, (what, (change, code)) in zip(
        installation.keys, CHANGES.items(), strict=True
    ):
        answers, seconds = _stop(installation, key, change)
        print(f"\n{what}: all had ended after {seconds * 1000:.0f} ms")  # noqa: T201
        for answer in answers:
            assert answer.chunks[-1]["error"]["code"] == code
            assert not answer.is_done
        assert seconds <= SECONDS_MAX, what
        _billed_as_handed_over(key.row, answers)


def _stop(
    installation: Installation, key: IssuedKey, change: Callable[[ApiKey], float]
) -> tuple[list[Answer], float]:
    """Run streams everywhere and make the change; return them and how long it took."""
    with ExitStack() as stack, ThreadPoolExecutor(GATEWAYS) as pool:
        streams = [
            [
                stack.enter_context(RawClient(gateway.port, key.key))
                for _ in range(STREAMS)
            ]
            for gateway in installation.gateways
        ]
        for raw in (each for of_gateway in streams for each in of_gateway):
            raw.chat(MODEL, stream=True, max_tokens=TOKENS)
            raw.read_text(" t1 ")
        reading = [pool.submit(_read, of_gateway) for of_gateway in streams]
        began = change(key.row)
        read = [each.result() for each in reading]
    ended = max(at for _, at in read)
    return [answer for answers, _ in read for answer in answers], ended - began


def _read(streams: list[RawClient]) -> tuple[list[Answer], float]:
    """Read streams to their ends; return the instant of the last."""
    answers = [raw.read() for raw in streams]
    return answers, time.monotonic()


def _billed_as_handed_over(key: ApiKey, answers: list[Answer]) -> None:
    def events() -> dict[UUID, Event]:
        with as_operator():
            rows = Event.objects.filter(api_key_id=key.pk)
            return {row.request_id: row for row in rows}

    wait_until(lambda: len(events()) == len(answers))
    found = events()
    for answer in answers:
        event = found[UUID(answer.header("x-request-id"))]
        assert event.status == EventStatus.KEY_REVOKED
        assert event.output_tokens == len(answer.text.split())
        assert event.output_tokens > 0
