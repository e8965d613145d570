"""What an event says was done for its request: held, tried, asked for again."""

from typing import Any

import httpx
import pytest

from inference.engines.simulator.tokens import chat_tokens
from inference.gateway.holding import SLICE_TOKENS
from kit.contracts import EventStatus
from kit.handling import Handling, Keyed
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import answer, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import quota
from tests.inference.gateway.running import RunningGateway

EXACT = len(chat_tokens([{"role": "user", "content": "one two three"}]))


def noted(gateway: RunningGateway) -> Handling:
    """Return what was noted of the last request."""
    return gateway.meter.outcomes[-1].handling


def _refuse_busy(side: EngineSide) -> None:
    side.request()
    side.send(whole({"error": {"message": "busy"}}, status=503))


def _serve_well(side: EngineSide) -> None:
    while side.request():
        side.send(whole(answer(" t1", output=1)))


def test_without_budgets_nothing_is_held(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    raw.chat(model, max_tokens=3)
    assert raw.read().status == 200
    assert noted(gateway) == Handling(1, 0, 0, Keyed.NONE)


@pytest.mark.parametrize("stream", [True, False])
def test_what_was_held_at_first_is_told_and_not_what_came_later(
    gateway: RunningGateway, model: str, raw: RawClient, stream: bool
) -> None:
    quota(gateway, "output_tokens", 10_000)
    raw.chat(model, stream=stream, max_tokens=300)
    assert raw.read().status == 200
    assert gateway.meter.outcomes[-1].counts.output_tokens == 300
    found = noted(gateway)
    assert found.held_output_tokens == (SLICE_TOKENS if stream else 300)
    # The bound of the prompt is at least the prompt.
    assert found.held_input_tokens is not None
    assert found.held_input_tokens >= EXACT


def test_near_the_end_of_a_budget_less_is_held(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    quota(gateway, "output_tokens", 10)
    raw.chat(model, stream=True, max_tokens=300)
    assert raw.read().text.count(" t") == 10
    assert gateway.meter.outcomes[-1].status is EventStatus.BUDGET_EXHAUSTED
    assert noted(gateway).held_output_tokens == 8


def test_every_replica_that_was_tried_is_counted(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_refuse_busy) as busy, scripted_engine(_serve_well) as well:
        name = gateway.serve(busy.url, well.url, policy="round_robin")
        # By turns: two requests reach both orders.
        for _ in range(2):
            raw.chat(name)
            assert raw.read().status == 200
    attempts = [each.handling.attempts for each in gateway.meter.outcomes]
    assert sorted(attempts, key=str) == [1, 2]


def test_an_answer_that_was_kept_was_tried_nowhere(
    gateway: RunningGateway, simulator: RunningSimulator, raw: RawClient
) -> None:
    fields: dict[str, Any] = {
        "context_tokens": 32_768,
        "max_output_tokens": None,
        "created": 1,
        "cache_s": 60,
    }
    name = gateway.serve(simulator.base_url, upstream_model="sim")
    gateway.publish("model", name, fields)
    for _ in range(2):
        raw.chat(name, max_tokens=2)
        assert raw.read().status == 200
    attempts = [each.handling.attempts for each in gateway.meter.outcomes]
    assert attempts == [1, 0]


def test_a_key_s_first_attempt_is_told_from_the_next(
    gateway: RunningGateway, model: str
) -> None:
    for _ in range(2):
        got = httpx.post(
            f"{gateway.url}/v1/chat/completions",
            headers={
                "authorization": f"Bearer {gateway.key}",
                "idempotency-key": "once",
            },
            json={
                "model": model,
                "messages": [{"role": "user", "content": "one"}],
                "max_tokens": 1,
            },
        )
        assert got.status_code == 200
    keyed = [each.handling.keyed for each in gateway.meter.outcomes]
    assert keyed == [Keyed.FIRST, Keyed.RETRY]
