"""No token leaves that is not held, and none is refused that a budget still covers."""

from typing import Any

import orjson
import pytest

from inference.engines.simulator.tokens import chat_tokens
from kit.contracts import EventStatus, TokenCounts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import (
    DONE,
    STREAM_END,
    answer,
    chat_chunk,
    event,
    finish,
    token,
    usage,
    whole,
)
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.limited import budget, quota, row
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

# Of the raw client's chat, by the simulator's own rule.
EXACT = len(chat_tokens([{"role": "user", "content": "one two three"}]))
SHORT = {"base": 0, "base_tools": 0, "per_byte_milli": 0, "per_message": 1}
ENDED = "x-tollgate-ended"


def said(got: Answer) -> str:
    """Return the text of a whole answer."""
    content: str = got.json["choices"][0]["message"]["content"]
    return content


def test_a_stream_ends_with_the_last_token_that_its_budget_covers(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    place = quota(gateway, "output_tokens", 10)
    simulator.change(inter_token_ms=1, answer_tokens=5_000)
    raw.chat(model, stream=True)
    got = raw.read()

    assert got.text.count(" t") == 10
    assert got.chunks[-1]["error"]["code"] == "insufficient_quota"
    assert not got.is_done
    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert outcome.counts == TokenCounts(input_tokens=EXACT, output_tokens=10)
    assert gateway.meter.budgets.posted[place] == 10
    assert gateway.metrics.budget_ends >= 1


def test_in_money_too_and_with_the_prompt(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    # A token in costs 3 picos and one out 15: this much is for twenty of these.
    place = budget(gateway, EXACT * 3 + 20 * 15 + 14)
    raw.chat(model, stream=True, max_tokens=500)
    got = raw.read()

    assert got.text.count(" t") == 20
    assert got.chunks[-1]["error"]["type"] == "insufficient_quota"
    assert gateway.meter.budgets.posted[place] == EXACT * 3 + 20 * 15


def test_a_stream_that_its_budget_covers_is_extended_to_its_end(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    place = quota(gateway, "output_tokens", 300)
    raw.chat(model, stream=True, max_tokens=300)
    got = raw.read()

    assert got.is_done
    assert got.text.count(" t") == 300
    assert gateway.meter.budgets.posted[place] == 300


def test_a_whole_answer_is_held_whole_where_that_fits(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    before = gateway.metrics.reassembled
    place = quota(gateway, "output_tokens", 50)
    raw.chat(model, max_tokens=50)
    got = raw.read()

    assert got.status == 200
    assert got.header(ENDED) is None
    assert gateway.metrics.reassembled == before
    assert gateway.meter.budgets.posted[place] == 50


@pytest.mark.parametrize("choices", [1, 3])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_near_the_limit_the_answer_is_the_one_that_the_engine_would_have_given(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    path: str,
    choices: int,
) -> None:
    simulator.change(answer_tokens_max=20)
    asked = {"messages": [{"role": "user", "content": "a b"}]}
    body: dict[str, Any] = {"model": model, "n": choices, "max_tokens": 64}
    body |= {"prompt": "a b"} if path == "/v1/completions" else asked
    raw.post(path, body)
    plain = raw.read()
    before = gateway.metrics.reassembled
    quota(gateway, "output_tokens", 30 * choices)
    raw.post(path, body)
    got = raw.read()

    assert gateway.metrics.reassembled == before + 1
    assert got.header(ENDED) is None
    assert _comparable(got) == _comparable(plain)
    assert got.json["usage"]["completion_tokens"] >= 16 * choices
    first, second = gateway.meter.outcomes
    assert (first.counts, second.counts) == (second.counts, first.counts)
    assert [admission.streamed for admission in gateway.meter.admissions] == [
        False,
        False,
    ]


def test_an_answer_that_is_cut_short_says_so(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    place = quota(gateway, "output_tokens", 10)
    simulator.change(inter_token_ms=1, answer_tokens=5_000)
    raw.chat(model, n=2, max_tokens=2_000)
    got = raw.read()

    assert got.status == 200
    assert got.header(ENDED) == "insufficient_quota"
    texts = [choice["message"]["content"] for choice in got.json["choices"]]
    assert "".join(texts).count(" t") == 10
    assert [choice["index"] for choice in got.json["choices"]] == [0, 1]
    assert {choice["finish_reason"] for choice in got.json["choices"]} == {"length"}
    assert got.json["model"] == model
    assert got.json["usage"] == {
        "prompt_tokens": EXACT,
        "completion_tokens": 10,
        "total_tokens": EXACT + 10,
    }
    simulator.await_stats(lambda stats: stats["aborted"] >= 1)
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert outcome.counts.output_tokens == 10
    assert gateway.meter.budgets.posted[place] == 10


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_spent_is_refused_for_good_and_nobody_is_asked(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    stream: bool,
) -> None:
    quota(gateway, "output_tokens", 0)
    raw.chat(model, stream=stream, max_tokens=5)
    got = raw.read()

    assert got.status == 429
    error = got.json["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota",) * 2
    assert "monthly quota of output tokens of your account" in error["message"]
    assert got.header("x-should-retry") == "false"
    assert got.header("retry-after") is None
    assert simulator.stats()["requests"] == 0
    assert len(gateway.meter.voided) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_is_counted_before_it_is_refused_by_its_bound(
    gateway: RunningGateway, model: str, raw: RawClient, stream: bool
) -> None:
    place = quota(gateway, "tokens", EXACT + 3)
    raw.chat(model, stream=stream, max_tokens=3)
    got = raw.read()

    assert got.status == 200
    assert gateway.meter.budgets.posted[place] == EXACT + 3


def test_and_refused_when_not_one_token_would_be_left(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    quota(gateway, "tokens", EXACT)
    raw.chat(model, max_tokens=3)
    got = raw.read()

    assert (got.status, got.json["error"]["code"]) == (429, "insufficient_quota")


def test_a_prompt_that_nobody_can_count_may_come_again(
    gateway: RunningGateway, simulator: RunningSimulator, raw: RawClient
) -> None:
    plain = gateway.serve(simulator.base_url, upstream_model="sim", dialect="openai")
    quota(gateway, "tokens", EXACT + 3)
    raw.chat(plain, max_tokens=3)
    got = raw.read()

    assert (got.status, got.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert got.header("x-should-retry") == "true"
    assert got.header("retry-after-ms") == "1000"


def test_who_waits_for_others_gets_in_when_they_end(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    quota(gateway, "output_tokens", 64)
    simulator.change(first_token_ms=300)
    raw.chat(model, stream=True, max_tokens=64)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    simulator.change(first_token_ms=0, answer_tokens=4)
    with RawClient(gateway.port, gateway.key) as other:
        other.chat(model, stream=True, max_tokens=4)
        wait_until(lambda: gateway.meter.budgets.waiting == 1)
        assert gateway.metrics.holds_waiting == 1
        raw.leave()
        assert other.read().is_done
    assert gateway.metrics.holds_waiting == 0


def test_and_is_told_to_come_again_when_they_do_not(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    quota(gateway, "output_tokens", 64)
    simulator.change(first_token_ms=600_000)
    raw.chat(model, stream=True, max_tokens=64)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    with RawClient(gateway.port, gateway.key) as other:
        other.chat(model, stream=True, max_tokens=4)
        got = other.read()
    assert (got.status, got.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert got.header("x-should-retry") == "true"
    raw.leave()
    wait_until(lambda: not gateway.meter.open_requests)


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_longer_than_its_bound_is_held_before_the_first_byte(
    gateway: RunningGateway, simulator: RunningSimulator, raw: RawClient, stream: bool
) -> None:
    name = gateway.serve(simulator.base_url, upstream_model="sim", prompt_bound=SHORT)
    before = gateway.metrics.bounds.total()
    place = quota(gateway, "tokens", EXACT + 100)
    raw.chat(name, stream=stream, max_tokens=3)
    got = raw.read()

    assert got.status == 200
    assert gateway.metrics.bounds.total() == before + 1
    assert gateway.meter.budgets.posted[place] == EXACT + 3


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("max_tokens", [1, 900])
def test_and_where_that_fails_nothing_is_sent_and_nothing_billed(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    raw: RawClient,
    stream: bool,
    max_tokens: int,
) -> None:
    name = gateway.serve(simulator.base_url, upstream_model="sim", prompt_bound=SHORT)
    place = quota(gateway, "tokens", EXACT)
    raw.chat(name, stream=stream, max_tokens=max_tokens)
    got = raw.read()

    assert (got.status, got.json["error"]["code"]) == (429, "insufficient_quota")
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert outcome.counts == TokenCounts()
    assert gateway.meter.budgets.posted[place] == 0


@pytest.mark.parametrize("stream", [True, False])
def test_without_running_usage_bytes_bound_the_tokens(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    """Each " tN" is three bytes, which may be three tokens: three of them are held."""

    def no_usage(side: EngineSide) -> None:
        side.request()
        events = [event(chat_chunk({"content": f" t{n}"})) for n in range(1, 10)]
        side.stream(*events)
        side.wait_until_left()

    with scripted_engine(no_usage) as engine:
        name = gateway.serve(engine.url, dialect="openai", tokenizer="o200k_base")
        place = quota(gateway, "output_tokens", 10)
        raw.chat(name, stream=stream, max_tokens=900)
        got = raw.read()

    text = got.text if stream else said(got)
    assert text == " t1 t2 t3"
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert 0 < outcome.counts.output_tokens <= 10
    assert gateway.meter.budgets.posted[place] <= 10


def test_the_finish_too_may_be_a_token_that_is_not_held(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def one_more_at_the_end(side: EngineSide) -> None:
        side.request()
        side.stream(token(1), token(2), finish(3), usage(3), DONE)
        side.send(STREAM_END)

    with scripted_engine(one_more_at_the_end) as engine:
        place = quota(gateway, "output_tokens", 2)
        raw.chat(gateway.serve(engine.url), stream=True)
        got = raw.read()

    assert got.text == " t1 t2"
    assert got.chunks[-1]["error"]["code"] == "insufficient_quota"
    assert gateway.meter.budgets.posted[place] == 2


def test_of_many_tokens_in_one_read_as_many_leave_as_are_held(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def at_once(side: EngineSide) -> None:
        side.request()
        burst = b"".join(token(number) for number in range(1, 31))
        side.stream(burst)
        side.wait_until_left()

    with scripted_engine(at_once) as engine:
        place = quota(gateway, "output_tokens", 17)
        raw.chat(gateway.serve(engine.url), stream=True)
        got = raw.read()

    assert got.text.count(" t") == 17
    assert gateway.meter.budgets.posted[place] == 17


def test_an_engine_that_says_more_than_was_allowed_has_said_it_for_nothing(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def too_much(side: EngineSide) -> None:
        side.request()
        side.send(whole(answer("much", output=15)))

    with scripted_engine(too_much) as engine:
        place = quota(gateway, "output_tokens", 10)
        raw.chat(gateway.serve(engine.url), max_tokens=10)
        got = raw.read()
    assert got.status == 429
    assert not gateway.meter.budgets.posted.get(place)


def test_without_budgets_nothing_is_asked(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    for stream in (True, False):
        raw.chat(model, stream=stream, max_tokens=3)
        assert raw.read().status == 200
    assert gateway.meter.budgets.asked == 0


def test_soft_budgets_are_counted_and_stop_nobody(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.limit(row("quota", 1, unit="tokens", hard=False))
    raw.chat(model, max_tokens=3)
    assert raw.read().status == 200
    assert gateway.meter.budgets.asked == 1
    [place] = gateway.meter.budgets.posted
    assert not place.is_hard


def _comparable(got: Answer) -> Any:
    """Leave out what differs from call to call, and what is null."""
    body = orjson.loads(got.body)
    for name in ("id", "created"):
        del body[name]
    return _without_nulls(body)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_nulls(part)
            for name, part in value.items()
            if part is not None
        }
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value
