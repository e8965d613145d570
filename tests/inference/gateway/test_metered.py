"""The data plane and the meter together: what was handed over is what is stored."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from inference.engines.simulator.tokens import delivered_tokens
from kit.contracts import CountedBy, EventKind, EventStatus
from tests.databases import Database
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    epochs,
    events,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until


@pytest.fixture
def metered(
    fresh_database: Database, simulator: RunningSimulator
) -> Iterator[MeteredGateway]:
    """Give a gateway that waits for the database for longer than a test takes."""
    issued = seed(simulator.base_url)
    with metered_gateway(fresh_database, issued, database_away_ms=60_000) as running:
        yield running


@contextmanager
def stopped_commits(database: Database) -> Iterator[None]:
    """Hold the epoch's row, so that no commit and no heartbeat gets through."""
    with psycopg.connect(
        database.server.rpartition("/")[0] + f"/{database.name}"
    ) as db:
        db.execute("SELECT 1 FROM usage_epoch FOR UPDATE")
        yield


def test_every_way_out_is_one_event_and_the_counts_balance(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    issued = seed(simulator.base_url)
    with metered_gateway(fresh_database, issued) as gateway, gateway.raw() as raw:
        raw.chat(MODEL, stream=True, max_tokens=20)
        assert delivered_tokens(raw.read().text) == 20
        assert gateway.ask(max_tokens=7).status_code == 200
        simulator.change(inter_token_ms=5, answer_tokens=10_000)
        raw.chat(MODEL, stream=True)
        raw.read_text(" t3 ")
        raw.leave()
        simulator.await_stats(lambda stats: stats["aborted"] == 1)
        simulator.change(context_tokens=3, answer_tokens=1)
        assert gateway.ask().status_code == 400
        wait_until(lambda: len(events()) == 3)
        metrics = gateway.client.get("/metrics").text
        assert re.search(r"^tollgate_requests_open\{.*\} 0\.0$", metrics, re.MULTILINE)

    stored = events()
    assert [event.seq for event in stored] == [1, 2, 3]
    by_status = {(event.status, event.streamed): event for event in stored}
    streamed = by_status[EventStatus.OK, True]
    whole = by_status[EventStatus.OK, False]
    left = by_status[EventStatus.CLIENT_GONE, True]
    assert (streamed.output_tokens, whole.output_tokens) == (20, 7)
    assert 3 <= left.output_tokens <= left.generated_tokens
    for event in stored:
        assert event.tenant_id == issued.row.tenant_id
        assert event.api_key_id == issued.row.pk
        assert event.counted_by == CountedBy.ENGINE
        # 3 and 15 dollars for a million: whole picos a token.
        expected = 3_000_000 * event.input_tokens + 15_000_000 * event.output_tokens
        assert event.charge_picos == expected
    [epoch] = epochs()
    assert epoch.state == "closed"
    assert (epoch.admitted, epoch.settled, epoch.voided) == (4, 3, 1)
    assert epoch.last_seq == 3


def test_the_end_of_a_stream_comes_once_its_event_is_stored(
    metered: MeteredGateway, fresh_database: Database
) -> None:
    with metered.raw() as raw:
        with stopped_commits(fresh_database):
            raw.chat(MODEL, stream=True, max_tokens=3)
            early = raw.read_text(" t3")
            wait_until(lambda: metered.process.meter.committer.waiting == 1)
            assert not early.is_done
            assert not events()
        answer = raw.read()
    assert answer.is_done
    assert [event.output_tokens for event in events()] == [3]


def test_a_whole_answer_that_its_client_did_not_wait_for_costs_its_prompt(
    metered: MeteredGateway, fresh_database: Database
) -> None:
    with stopped_commits(fresh_database), metered.raw() as raw:
        raw.chat(MODEL, max_tokens=3)
        wait_until(lambda: metered.process.meter.committer.waiting == 1)
        state = metered.process.server.server_state
        before = len(state.connections)
        raw.leave()
        wait_until(lambda: len(state.connections) < before)
    wait_until(lambda: len(events()) == 2)
    original, correction = events()

    assert original.output_tokens == 3
    assert correction.kind == EventKind.UNDELIVERED
    assert correction.corrects == original.request_id
    assert (correction.input_tokens, correction.output_tokens) == (0, -3)
    assert original.charge_picos + correction.charge_picos == (
        3_000_000 * original.input_tokens
    )


def test_while_the_database_is_away_nobody_waits_and_nothing_is_lost(
    simulator: RunningSimulator, fresh_database: Database
) -> None:
    simulator.change(inter_token_ms=5, answer_tokens=400)
    issued = seed(simulator.base_url)
    with (
        metered_gateway(fresh_database, issued, database_away_ms=600) as metered,
        metered.raw() as flowing,
        metered.raw() as waiting,
    ):
        flowing.chat(MODEL, stream=True)
        flowing.read_text(" t3 ")
        with stopped_commits(fresh_database):
            waiting.chat(MODEL, max_tokens=2)
            # Both end while nothing can be committed, and one more begins.
            stream = flowing.read()
            whole = waiting.read()
            begun = metered.ask(max_tokens=2)
            assert metered.process.liveness.is_away
            assert not events()
        assert stream.is_done
        assert (whole.status, begun.status_code) == (200, 200)
        wait_until(lambda: len(events()) == 3)
        wait_until(lambda: not metered.process.liveness.is_away)

    stored = events()
    [streamed] = [event for event in stored if event.streamed]
    assert streamed.status == EventStatus.OK
    assert streamed.output_tokens == stream.text.count(" t") == 400
    assert {event.status for event in stored} == {EventStatus.OK}
    assert not metered.process.meter.journal.entries
