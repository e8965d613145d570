"""What rate limits do to requests, and what clients and the real SDK are told of it."""

from typing import Any

import openai
import pytest
from openai import OpenAI

from kit.contracts import BudgetPlace
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import rate, row, slots
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.inference.gateway.running import RunningGateway

ASKED: Any = [{"role": "user", "content": "one two three"}]


def test_one_is_said_as_one(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(rate("requests", 1))
    for _ in range(2):
        raw.chat(model, max_tokens=1)
        got = raw.read()
    said = got.json["error"]["message"]
    assert said.startswith("Your account may use 1 request per minute. Try again in ")


def test_beyond_the_limit_is_refused_and_told_when_to_come_again(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(rate("requests", 2))
    for left in ("1", "0"):
        raw.chat(model, max_tokens=1)
        got = raw.read()
        assert got.status == 200
        assert got.header("x-ratelimit-limit-requests") == "2"
        assert got.header("x-ratelimit-remaining-requests") == left
    admitted = len(gateway.meter.admissions)
    raw.chat(model, max_tokens=1)
    got = raw.read()

    assert got.status == 429
    error = got.json["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert "Your account may use 2 requests per minute" in error["message"]
    assert got.header("x-should-retry") == "true"
    # One of two a minute comes back after half a minute.
    assert 25_000 < int(got.header("retry-after-ms") or "") <= 30_000
    assert int(got.header("retry-after") or "") <= 30
    assert got.header("x-ratelimit-remaining-requests") == "0"
    assert len(gateway.meter.admissions) == admitted


def test_a_limit_of_none_is_not_to_be_tried_again(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(rate("requests", 0))
    raw.chat(model)
    got = raw.read()
    assert got.status == 429
    assert got.header("x-should-retry") == "false"
    assert got.header("retry-after") is None


def test_streams_carry_the_headers_too(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(rate("tokens", 100_000), rate("output_tokens", 900))
    raw.chat(model, stream=True, max_tokens=10)
    got = raw.read()
    assert got.is_done
    assert got.header("x-ratelimit-limit-tokens") == "100000"
    assert got.header("x-ratelimit-remaining-output-tokens") == "890"


def test_without_rate_limits_there_are_no_headers(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    raw.chat(model, max_tokens=1)
    assert not [name for name, _ in raw.read().headers if "ratelimit" in name]


def test_tokens_are_put_right_when_they_are_known(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(rate("output_tokens", 500, window="day"))
    raw.chat(model, max_tokens=400)
    assert raw.read().header("x-ratelimit-remaining-output-tokens") == "436"
    wait_until(lambda: not gateway.rates.running)
    raw.chat(model, max_tokens=1)
    assert raw.read().header("x-ratelimit-remaining-output-tokens") == "99"


def test_as_many_run_at_once_as_may(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    gateway.limit(slots(1))
    simulator.change(first_token_ms=600_000)
    raw.chat(model, stream=True)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    with RawClient(gateway.port, gateway.key) as other:
        other.chat(model, stream=True)
        got = other.read()
        assert got.status == 429
        assert "1 request at a time" in got.json["error"]["message"]
        raw.leave()
        wait_until(lambda: not gateway.rates.running)
        simulator.change(first_token_ms=0)
        other.chat(model, stream=True, max_tokens=1)
        assert other.read().is_done


def test_who_is_refused_by_a_budget_has_taken_nothing(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    quota = row("quota", 0, unit="tokens")
    gateway.limit(rate("requests", 5), slots(1), quota)
    place = BudgetPlace(1, "tenant", 1, "quota", "tokens", "month", "", is_hard=True)
    gateway.run(lambda: gateway.meter.budgets.limits.update({place: 0}))
    for _ in range(3):
        raw.chat(model)
        got = raw.read()
        assert got.json["error"]["code"] == "insufficient_quota"
        assert got.header("x-ratelimit-remaining-requests") == "4"
    assert not gateway.rates.running


def test_who_is_not_admitted_has_taken_nothing(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(rate("requests", 5), slots(1))
    gateway.meter.is_away = True
    for _ in range(3):
        raw.chat(model)
        got = raw.read()
        assert got.status == 503
        assert got.header("x-ratelimit-remaining-requests") == "4"


def test_the_sdk_waits_as_it_is_told_and_passes(
    gateway: RunningGateway, model: str
) -> None:
    gateway.limit(rate("requests", 1, window="second"))
    with _patient(gateway) as sdk:
        for _ in range(3):
            sdk.chat.completions.create(model=model, messages=ASKED, max_tokens=1)
    assert gateway.metrics.responses[429] >= 2


@pytest.mark.parametrize("stream", [True, False])
def test_the_sdk_does_not_ask_again_where_that_is_of_no_use(
    gateway: RunningGateway, model: str, stream: bool
) -> None:
    gateway.limit(row("quota", 0, unit="tokens"))
    place = BudgetPlace(1, "tenant", 1, "quota", "tokens", "month", "", is_hard=True)
    gateway.run(lambda: gateway.meter.budgets.limits.update({place: 0}))
    with _patient(gateway) as sdk, pytest.raises(openai.RateLimitError) as refused:
        sdk.chat.completions.create(model=model, messages=ASKED, stream=stream)
    assert refused.value.code == "insufficient_quota"
    assert len(gateway.meter.admissions) == 1


def _patient(gateway: RunningGateway) -> OpenAI:
    """Return the real SDK, which tries again."""
    return OpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=gateway.key,
        max_retries=5,
        timeout=PATIENCE_S,
    )


def test_the_slot_is_free_while_the_tokens_are_still_counted(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def say_nothing(side: EngineSide) -> None:
        side.request()
        side.wait_until_left()

    gateway.limit(slots(1))
    with scripted_engine(say_nothing) as engine:
        raw.chat(gateway.serve(engine.url))
        wait_until(lambda: engine.requests)
        raw.leave()
        wait_until(lambda: gateway.run(lambda: len(gateway.counting)) == 1)
        assert not gateway.rates.running
        wait_until(lambda: gateway.meter.outcomes)
