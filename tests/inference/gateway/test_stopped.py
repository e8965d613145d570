"""Who may not go on: the running requests of a caller end, and cost what was had."""

import datetime as dt
import time
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from inference.routing.snapshot import Snapshot, StopReason
from kit.contracts import Caller, EventStatus
from kit.orm.roles import as_operator
from metering.usage.models import Event
from tenants import services as tenants
from tenants.services import IssuedKey
from tests.databases import Database
from tests.factories.tenants import make_key
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    events,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until

# The promise is a second; the rest is for a machine that does other things too.
SECONDS_MAX = 1.0 + 1.0
# As the simulator counts the prompt.
PROMPT_TOKENS = 10


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """Run an engine that takes its time."""
    with running_simulator(inter_token_ms=5) as running:
        yield running


@pytest.fixture
def gateway(
    fresh_database: Database, simulator: RunningSimulator
) -> Iterator[MeteredGateway]:
    """Give a gateway that serves one tenant."""
    with metered_gateway(fresh_database, seed(simulator.base_url)) as running:
        yield running


def _expire(issued: IssuedKey) -> None:
    ends = timezone.now() + dt.timedelta(milliseconds=300)
    tenants.update_key(api_key=issued.row, expires_at=ends)


def _disable(issued: IssuedKey) -> None:
    tenants.disable_key(api_key=issued.row, now=timezone.now())


def _revoke(issued: IssuedKey) -> None:
    tenants.revoke_key(api_key=issued.row, now=timezone.now())


def _archive(issued: IssuedKey) -> None:
    tenants.archive_project(project=issued.row.project, now=timezone.now())


def _suspend(issued: IssuedKey) -> None:
    tenants.suspend_tenant(tenant=issued.row.tenant)


def settled(count: int = 1) -> list[Event]:
    """Wait for so many events, and return them."""
    wait_until(lambda: len(events()) >= count)
    return events()


def ends_as(answer: Answer, event: Event, code: str) -> None:
    """Check the last event of a stream, and that what came of it is billed."""
    error = answer.chunks[-1]["error"]
    assert (error["code"], error["type"]) == (code, "permission_error")
    assert not answer.is_done
    assert event.status == EventStatus.KEY_REVOKED
    assert event.output_tokens == len(answer.text.split())
    assert event.input_tokens == PROMPT_TOKENS


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_revoke, "key_revoked"),
        (_disable, "key_revoked"),
        (_expire, "key_revoked"),
        (_archive, "key_revoked"),
        (_suspend, "tenant_suspended"),
    ],
)
def test_a_stream_ends_with_the_reason_and_is_billed_as_far_as_it_came(
    gateway: MeteredGateway,
    simulator: RunningSimulator,
    change: Callable[[IssuedKey], None],
    code: str,
) -> None:
    with gateway.raw() as raw, as_operator():
        raw.chat(MODEL, stream=True, max_tokens=2_000)
        raw.read_text(" t3 ")
        change(gateway.issued)
        began = time.monotonic()
        answer = raw.read()
        assert time.monotonic() - began < SECONDS_MAX
    [event] = settled()
    ends_as(answer, event, code)
    simulator.await_stats(lambda stats: stats["running"] == 0)


def test_others_go_on(gateway: MeteredGateway) -> None:
    other = make_key(tenant=gateway.issued.row.tenant)
    with gateway.raw() as mine, RawClient(gateway.port, other.key) as theirs:
        wait_until(lambda: _is_known(gateway, other))
        for raw in (mine, theirs):
            raw.chat(MODEL, stream=True, max_tokens=200)
            raw.read_text(" t3 ")
        with as_operator():
            _revoke(gateway.issued)
        assert "error" in mine.read().chunks[-1]
        assert theirs.read().is_done
    assert {event.status for event in settled(2)} == {
        EventStatus.KEY_REVOKED,
        EventStatus.OK,
    }


def _is_known(gateway: MeteredGateway, issued: IssuedKey) -> bool:
    headers = {"authorization": f"Bearer {issued.key}"}
    return gateway.client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_before_the_first_byte_it_is_an_answer_of_its_own(
    gateway: MeteredGateway, simulator: RunningSimulator, stream: bool
) -> None:
    simulator.change(first_token_ms=60_000)
    with gateway.raw() as raw, as_operator():
        raw.chat(MODEL, stream=stream, max_tokens=5)
        simulator.await_stats(lambda stats: stats["running"] == 1)
        _suspend(gateway.issued)
        answer = raw.read()
    assert (answer.status, answer.json["error"]["code"]) == (403, "tenant_suspended")
    # The engine had the prompt; of its answer the client has nothing.
    [event] = settled()
    assert event.status == EventStatus.KEY_REVOKED
    assert (event.input_tokens, event.output_tokens) == (PROMPT_TOKENS, 0)


def test_a_client_that_dawdles_gets_nothing_more(
    gateway: MeteredGateway, simulator: RunningSimulator
) -> None:
    """However much of the answer has come from the engine already."""
    simulator.change(inter_token_ms=0)
    tokens = 8_000
    with RawClient(gateway.port, gateway.issued.key, receive_bytes=4096) as raw:
        raw.chat(MODEL, stream=True, max_tokens=tokens)
        raw.read_text(" t1 ")
        simulator.await_stats(lambda stats: stats["running"] == 0)
        # Now the gateway has a good part of the answer in its hands.
        raw.read_text(" t500 ")
        with as_operator():
            _revoke(gateway.issued)
        wait_until(lambda: not _is_known(gateway, gateway.issued))
        answer = raw.read()
    [event] = settled()
    ends_as(answer, event, "key_revoked")
    # What the kernel took, not what the gateway had: that is three times as much.
    assert event.output_tokens < 1_000


def test_an_engine_stops_though_the_client_takes_nothing(
    gateway: MeteredGateway, simulator: RunningSimulator
) -> None:
    simulator.change(inter_token_ms=1)
    with RawClient(gateway.port, gateway.issued.key, receive_bytes=4096) as raw:
        raw.chat(MODEL, stream=True, max_tokens=8_000)
        simulator.await_stats(lambda stats: stats["generation_tokens"] > 2_000)
        with as_operator():
            _revoke(gateway.issued)
        simulator.await_stats(lambda stats: stats["aborted"] == 1)
        answer = raw.read()
    [event] = settled()
    ends_as(answer, event, "key_revoked")


class TestStopReason:
    """What the snapshot says of a caller."""

    CALLER = Caller(tenant_id=3, project_id=2, api_key_id=1, currency="USD")
    KEY = {"api_key_id": 1, "project_id": 2, "tenant_id": 3, "expires_at": None}
    TENANT = {"slug": "t", "active": True, "currency": "USD"}

    def snapshot(self) -> Snapshot:
        """Return one in which the caller may go on."""
        snapshot = Snapshot()
        snapshot.apply("api_key", "digest", self.KEY)
        snapshot.apply("tenant", "3", self.TENANT)
        assert snapshot.stop_reason(self.CALLER, now_us=0) is None
        return snapshot

    def test_a_key_that_goes(self) -> None:
        snapshot = self.snapshot()
        snapshot.apply("api_key", "digest", None)
        assert snapshot.stop_reason(self.CALLER, now_us=0) is StopReason.KEY_REVOKED

    def test_an_expiry_holds_from_its_instant_on(self) -> None:
        snapshot = self.snapshot()
        snapshot.apply("api_key", "digest", self.KEY | {"expires_at": 1.5})
        assert snapshot.stop_reason(self.CALLER, now_us=1_499_999) is None
        told = snapshot.stop_reason(self.CALLER, now_us=1_500_000)
        assert told is StopReason.KEY_REVOKED

    def test_a_tenant_that_is_suspended_or_gone(self) -> None:
        snapshot = self.snapshot()
        snapshot.apply("tenant", "3", self.TENANT | {"active": False})
        told = snapshot.stop_reason(self.CALLER, now_us=0)
        assert told is StopReason.TENANT_SUSPENDED
        snapshot.apply("tenant", "3", None)
        assert snapshot.stop_reason(self.CALLER, now_us=0) is StopReason.KEY_REVOKED

    def test_a_key_by_another_secret_goes_on_when_the_old_entry_goes(self) -> None:
        snapshot = self.snapshot()
        snapshot.apply("api_key", "other", self.KEY)
        snapshot.apply("api_key", "digest", None)
        assert snapshot.stop_reason(self.CALLER, now_us=0) is None
        snapshot.apply("api_key", "other", None)
        assert snapshot.keys_by_id == {}
