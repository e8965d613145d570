"""The whole process: limits from the database, budgets on leases, rates in a store."""

from pathlib import Path
from typing import Any

from inference.engines.simulator.tokens import chat_tokens
from inference.gateway.holding import SLICE_TOKENS
from kit.contracts import EventStatus
from tests.databases import Database
from tests.factories.limits import make_quota, make_rate_limit
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    events,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until
from tests.inference.limiting.store import Store

PROMPT = len(chat_tokens([{"role": "user", "content": "one two three"}]))


def await_limits(gateway: MeteredGateway) -> None:
    """Wait until the gateway has read that there are limits."""
    wait_until(lambda: len(gateway.process.snapshot.limits._own) == 1)


def streamed(gateway: MeteredGateway, **fields: Any) -> Any:
    """Stream a chat to its end and return the answer."""
    with gateway.raw() as raw:
        raw.chat(MODEL, stream=True, **fields)
        return raw.read()


def test_a_quota_of_the_database_ends_a_stream_at_its_last_token(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    issued = seed(simulator.base_url)
    make_quota(tenant=issued.row.tenant, unit="output_tokens", value=100)
    with metered_gateway(fresh_database, issued) as gateway:
        await_limits(gateway)
        simulator.change(inter_token_ms=1)
        first = streamed(gateway, max_tokens=70)
        assert first.is_done
        second = streamed(gateway, max_tokens=70)
        assert second.chunks[-1]["error"]["code"] == "insufficient_quota"
        assert second.text.count(" t") == 30
        third = gateway.ask()
        assert (third.status_code, third.json()["error"]["code"]) == (
            429,
            "insufficient_quota",
        )
        wait_until(lambda: len(events()) == 2)
    assert [event.output_tokens for event in events()] == [70, 30]
    # Each was let in with a slice at most, of which the last is what was left.
    for event, most in zip(events(), (SLICE_TOKENS, 30), strict=True):
        assert event.attempts == 1
        assert event.held_input_tokens is not None
        assert event.held_input_tokens >= event.input_tokens == PROMPT
        assert event.held_output_tokens is not None
        assert 1 <= event.held_output_tokens <= most
    assert events()[1].status == EventStatus.BUDGET_EXHAUSTED


def test_an_answer_at_once_is_held_whole_or_put_together(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    issued = seed(simulator.base_url)
    make_quota(tenant=issued.row.tenant, unit="tokens", value=2 * PROMPT + 60)
    with metered_gateway(fresh_database, issued) as gateway:
        await_limits(gateway)
        first = gateway.ask(max_tokens=20)
        assert first.status_code == 200
        second = gateway.ask(max_tokens=500)
        assert second.status_code == 200
        assert second.headers["x-tollgate-ended"] == "insufficient_quota"
        assert second.json()["usage"]["completion_tokens"] == 40
        wait_until(lambda: len(events()) == 2)
        assert gateway.process.metrics.reassembled == 1


def test_without_pressure_no_answer_is_put_together(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    """A lease is asked for, and waited for, rather than going without."""
    issued = seed(simulator.base_url)
    make_quota(tenant=issued.row.tenant, unit="tokens", value=1_000_000)
    with metered_gateway(fresh_database, issued) as gateway:
        await_limits(gateway)
        for _ in range(5):
            assert gateway.ask(max_tokens=400).status_code == 200
        assert gateway.process.metrics.reassembled == 0


def test_gateways_share_a_rate_by_their_store_and_say_how_it_stands(
    fresh_database: Database, simulator: RunningSimulator, tmp_path: Path
) -> None:
    issued = seed(simulator.base_url)
    make_rate_limit(tenant=issued.row.tenant, unit="requests", window="day", value=5)
    with (
        Store(tmp_path) as store,
        metered_gateway(
            fresh_database, issued, redis_url=store.url, gateway_name="one"
        ) as one,
        metered_gateway(
            fresh_database, issued, redis_url=store.url, gateway_name="two"
        ) as two,
    ):
        for gateway in (one, two):
            await_limits(gateway)
        answers = [(one, two)[number % 2].ask() for number in range(7)]
        assert [each.status_code for each in answers] == [200] * 5 + [429] * 2
        left = [int(each.headers["x-ratelimit-remaining-requests"]) for each in answers]
        assert left == [4, 3, 2, 1, 0, 0, 0]
        assert "tollgate_limits_refused_total" in one.client.get("/metrics").text


def test_a_gateway_counts_the_others_by_their_heartbeats(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    issued = seed(simulator.base_url)
    with (
        metered_gateway(fresh_database, issued, gateway_name="one"),
        metered_gateway(fresh_database, issued, gateway_name="two") as two,
    ):
        wait_until(lambda: two.process._peers.count() == 2)
