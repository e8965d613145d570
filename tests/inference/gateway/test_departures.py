"""A client that leaves, at every stage: the engine stops, and what it got is billed."""

import threading
from collections.abc import Callable, Iterator

import pytest

from inference.engines.simulator.tokens import chat_tokens
from inference.gateway.protocol import ClientConnection
from kit.contracts import CountedBy, EventStatus, TokenCounts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import PROMPT_TOKENS, answer, token, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

NEVER_MS = 600_000
# Of the raw client's chat, by the simulator's own rule.
SIMULATED_PROMPT_TOKENS = len(
    chat_tokens([{"role": "user", "content": "one two three"}])
)

Leave = Callable[[RawClient], None]


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def _gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run on either loop: what a transport says of a lost client differs."""
    with running_gateway(loop=request.param) as running:
        yield running


@pytest.fixture(params=[RawClient.leave, RawClient.reset])
def leave(request: pytest.FixtureRequest) -> Leave:
    """Say goodbye, or break off."""
    way: Leave = request.param
    return way


@pytest.mark.parametrize("stream", [True, False])
def test_before_the_first_token_the_engine_is_stopped_and_the_prompt_is_counted(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    leave: Leave,
    stream: bool,
) -> None:
    simulator.change(first_token_ms=NEVER_MS)
    raw.chat(model, stream=stream)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    leave(raw)

    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counts == TokenCounts(input_tokens=SIMULATED_PROMPT_TOKENS)
    assert outcome.counted_by is CountedBy.TOKENIZER


@pytest.mark.parametrize("stream", [True, False])
def test_before_the_engine_answered_a_stream_is_void_and_a_whole_request_is_kept(
    gateway: RunningGateway, raw: RawClient, leave: Leave, stream: bool
) -> None:
    def say_nothing(side: EngineSide) -> None:
        side.request()
        side.wait_until_left()

    with scripted_engine(say_nothing) as engine:
        raw.chat(gateway.serve(engine.url), stream=stream)
        wait_until(lambda: engine.requests)
        leave(raw)
        assert engine.left.wait(10)

    wait_until(lambda: gateway.meter.open_requests == 0)
    assert len(gateway.meter.voided) == stream
    statuses = [outcome.status for outcome in gateway.meter.outcomes]
    assert statuses == [EventStatus.CLIENT_GONE] * (not stream)


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_client_behind_a_large_body_is_seen_to_leave(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    size: int,
) -> None:
    simulator.change(first_token_ms=NEVER_MS)
    text = "x" * size
    # In parts, so that the last of it comes while the gateway waits for it.
    body = b'{"model":"%b","messages":[{"role":"user","content":"%b"}]}' % (
        model.encode(),
        text.encode(),
    )
    raw.post("/v1/chat/completions", body)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    raw.leave()
    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    wait_until(lambda: gateway.meter.outcomes)


def test_in_mid_stream_exactly_what_was_handed_over_is_billed(
    gateway: RunningGateway, raw: RawClient, leave: Leave
) -> None:
    def five_tokens(side: EngineSide) -> None:
        side.request()
        side.stream(*(token(number) for number in range(1, 6)))
        side.wait_until_left()

    with scripted_engine(five_tokens) as engine:
        raw.chat(gateway.serve(engine.url), stream=True)
        raw.read_text(" t5")
        leave(raw)
        assert engine.left.wait(10)

    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counts == TokenCounts(input_tokens=PROMPT_TOKENS, output_tokens=5)
    assert outcome.counted_by is CountedBy.ENGINE


def test_of_several_choices_the_sum_is_billed(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def three_choices(side: EngineSide) -> None:
        side.request()
        side.stream(
            token(1, index=0), token(1, index=1), token(2, index=1), token(1, index=2)
        )
        side.wait_until_left()

    with scripted_engine(three_choices) as engine:
        raw.chat(gateway.serve(engine.url), stream=True, n=3)
        raw.read_until(lambda answer: answer.text.count(" t") == 4)
        raw.leave()
        assert engine.left.wait(10)

    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.counts.output_tokens == 4


def test_of_a_running_simulator_no_token_more_than_made_and_none_less_than_read(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    simulator.change(inter_token_ms=2, answer_tokens=30_000)
    raw.chat(model, stream=True)
    seen = raw.read_text(" t20 ").text.count(" t")
    raw.leave()

    stats = simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE
    assert seen <= outcome.counts.output_tokens <= stats["generation_tokens"]
    assert outcome.counts.input_tokens == stats["prompt_tokens"]


def test_in_the_commit_wait_of_a_stream_all_of_it_is_billed(
    gateway: RunningGateway, model: str, raw: RawClient, leave: Leave
) -> None:
    gateway.meter.hold_commits()
    raw.chat(model, stream=True, max_tokens=4)
    raw.read_text(" t4")
    wait_until(lambda: gateway.meter.settled)
    leave(raw)
    _wait_until_seen(gateway)
    gateway.meter.release()

    _wait_until_quiet(gateway)
    [outcome] = gateway.meter.outcomes
    assert (outcome.status, outcome.counts.output_tokens) == (EventStatus.OK, 4)
    assert not gateway.meter.corrections


def test_in_the_commit_wait_of_a_whole_answer_its_output_is_given_back(
    gateway: RunningGateway, model: str, raw: RawClient, leave: Leave
) -> None:
    gateway.meter.hold_commits()
    raw.chat(model, max_tokens=4)
    wait_until(lambda: gateway.meter.settled)
    leave(raw)
    _wait_until_seen(gateway)
    gateway.meter.release()

    [correction] = wait_until(lambda: gateway.meter.corrections)
    assert correction.outcome is gateway.meter.outcomes[0]
    assert not correction.prompt_too


def test_a_client_that_leaves_does_not_touch_who_has_its_engine_connection_now(
    gateway: RunningGateway, raw: RawClient, leave: Leave
) -> None:
    first_left = threading.Event()

    def two_answers(side: EngineSide) -> None:
        side.request()
        side.send(whole(answer("first", output=1)))
        side.request()
        assert first_left.wait(10)
        side.send(whole(answer("second", output=1)))

    gateway.meter.hold_commits()
    with (
        scripted_engine(two_answers) as engine,
        RawClient(gateway.port, gateway.key) as other,
    ):
        name = gateway.serve(engine.url)
        raw.chat(name)
        wait_until(lambda: len(gateway.meter.settled) == 1)
        other.chat(name)
        wait_until(lambda: len(engine.requests) == 2)
        assert len(engine.connections) == 1
        leave(raw)
        _wait_until_seen(gateway, connections=1)
        first_left.set()
        wait_until(lambda: len(gateway.meter.settled) == 2)
        gateway.meter.release()
        assert other.read().json["choices"][0]["message"]["content"] == "second"

    statuses = [outcome.status for outcome in gateway.meter.outcomes]
    assert statuses == [EventStatus.OK, EventStatus.OK]
    assert len(gateway.meter.corrections) == 1


def test_a_client_with_a_second_request_in_line_is_seen_to_leave(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    leave: Leave,
) -> None:
    simulator.change(first_token_ms=NEVER_MS)
    raw.chat(model, stream=True)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    raw.chat(model)
    wait_until(lambda: any(len(each.line) > 1 for each in _connections(gateway)))
    leave(raw)

    stats = simulator.await_stats(lambda stats: stats["aborted"] == 1)
    assert stats["requests"] == 1
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE
    _wait_until_quiet(gateway)


def _connections(gateway: RunningGateway) -> list[ClientConnection]:
    return list(gateway.server.server_state.connections)  # type: ignore[arg-type]


def _wait_until_seen(gateway: RunningGateway, *, connections: int = 0) -> None:
    wait_until(lambda: len(_connections(gateway)) <= connections)


def _wait_until_quiet(gateway: RunningGateway) -> None:
    wait_until(lambda: not gateway.server.server_state.tasks)
