"""An unstreamed answer: handed over only once committed, given back if it was not."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from inference.gateway import protocol
from inference.gateway.connection import Downstream, Headers
from kit.contracts import CountedBy, EventStatus, TokenCounts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import answer, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

CLOSE = ("connection: close",)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_an_answer_is_settled_as_the_engine_counted(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    path: str,
) -> None:
    body = {"model": model, "n": 2, "max_tokens": 6}
    asked = {"messages": [{"role": "user", "content": "a b"}]}
    raw.post(path, body | ({"prompt": "a b"} if "chat" not in path else asked))
    answered = raw.read().json

    [(admission, outcome)] = gateway.meter.settled
    assert not admission.streamed
    assert (outcome.status, outcome.counted_by) == (EventStatus.OK, CountedBy.ENGINE)
    assert outcome.counts.output_tokens == 12
    assert outcome.counts.output_tokens == answered["usage"]["completion_tokens"]
    assert outcome.counts.input_tokens == simulator.stats()["prompt_tokens"]
    assert answered["model"] == model
    assert not gateway.meter.corrections


def test_not_a_byte_leaves_before_the_commit(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.meter.hold_commits()
    raw.chat(model, max_tokens=4)
    wait_until(lambda: gateway.meter.settled)
    raw.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        raw.sock.recv(1)
    raw.sock.settimeout(10)
    gateway.meter.release()
    assert raw.read().status == 200


def test_an_answer_that_cannot_be_recorded_is_withheld_and_costs_nothing(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.meter.hold_commits()
    raw.chat(model, max_tokens=4)
    wait_until(lambda: gateway.meter.settled)
    gateway.meter.give_up()
    answered = raw.read()

    assert answered.status == 503
    assert answered.header("retry-after") == "1"
    assert b"t1" not in answered.body
    [correction] = gateway.meter.corrections
    assert correction.prompt_too


def test_cached_and_reasoning_tokens_are_told_apart(
    gateway: RunningGateway, raw: RawClient
) -> None:
    body = answer("hello", output=9)
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 5}
    body["usage"]["completion_tokens_details"] = {"reasoning_tokens": 4}

    with scripted_engine(_answering(whole(body))) as engine:
        raw.chat(gateway.serve(engine.url))
        assert raw.read().status == 200

    counts = gateway.meter.outcomes[0].counts
    assert (counts.input_tokens, counts.cached_input_tokens) == (2, 5)
    assert (counts.output_tokens, counts.reasoning_tokens) == (9, 4)


@pytest.mark.parametrize("choices", [None, [], {}, "none"])
def test_an_answer_without_choices_is_none_and_costs_nothing(
    gateway: RunningGateway, raw: RawClient, choices: object
) -> None:
    body = answer("", output=9) | {"choices": choices}
    with scripted_engine(_answering(whole(body))) as engine:
        raw.chat(gateway.serve(engine.url))
        assert raw.read().status == 502

    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == TokenCounts()


def test_an_answer_without_usage_is_free_and_says_so(
    gateway: RunningGateway, raw: RawClient
) -> None:
    body = answer("hello", output=9)
    del body["usage"]

    with scripted_engine(_answering(whole(body))) as engine:
        raw.chat(gateway.serve(engine.url))
        assert raw.read().status == 200

    [outcome] = gateway.meter.outcomes
    assert (outcome.counted_by, outcome.counts.input_tokens) == (CountedBy.NONE, 0)


@pytest.mark.parametrize("separator", [b":", b": ", b" : "])
def test_the_engine_s_name_of_the_model_is_not_shown(
    gateway: RunningGateway, raw: RawClient, separator: bytes
) -> None:
    body = (
        b'{"choices":[{"index":0,"message":{"content":"\\"model\\":\\"inside\\""}}],'
        b'"model"%b"inside","usage":{"prompt_tokens":1,"completion_tokens":1}}'
    )
    with scripted_engine(_answering(whole(body % separator))) as engine:
        name = gateway.serve(engine.url, upstream_model="inside")
        raw.chat(name)
        answered = raw.read().json

    assert engine.requests[0].json["model"] == "inside"
    assert answered["model"] == name
    assert answered["choices"][0]["message"]["content"] == '"model":"inside"'


@pytest.mark.parametrize("headers", [(), CLOSE])
def test_a_delivered_answer_is_not_given_back(
    gateway: RunningGateway, model: str, raw: RawClient, headers: tuple[str, ...]
) -> None:
    raw.chat(model, max_tokens=3, headers=headers)
    assert raw.read().status == 200
    wait_until(lambda: not gateway.server.server_state.tasks)
    assert not gateway.meter.corrections


def test_answers_to_requests_sent_ahead_are_not_given_back(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.meter.hold_commits()
    raw.chat(model, max_tokens=3)
    raw.chat(model, max_tokens=2)
    wait_until(lambda: gateway.meter.settled)
    gateway.meter.release()
    outputs = [raw.read().json["usage"]["completion_tokens"] for _ in range(2)]

    assert outputs == [3, 2]
    wait_until(lambda: not gateway.server.server_state.tasks)
    assert not gateway.meter.corrections


def test_a_large_answer_to_a_slow_reader_counts_once_its_first_byte_is_out(
    gateway: RunningGateway,
) -> None:
    body = answer("x" * 20_000_000, output=1)
    with (
        scripted_engine(_answering(whole(body))) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=4096) as slow,
    ):
        slow.chat(gateway.serve(engine.url))
        slow.read_some()
        slow.reset()
        wait_until(lambda: not gateway.server.server_state.tasks)
        assert gateway.meter.settled
        assert not gateway.meter.corrections


@pytest.fixture(params=["uvloop", "asyncio"])
def moment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RunningGateway, list[Callable[[], None]]]]:
    """Give a gateway that does something just before it writes an answer's head."""
    acts: list[Callable[[], None]] = []

    class ActingDownstream(Downstream):
        __slots__ = ()

        def begin(self, status: int, headers: Headers, more: Mapping[str, str]) -> None:
            while acts:
                acts.pop()()
            super().begin(status, headers, more)

    monkeypatch.setattr(protocol, "Downstream", ActingDownstream)
    with running_gateway(loop=request.param) as running:
        yield running, acts


@pytest.mark.parametrize("headers", [(), CLOSE])
def test_a_client_that_breaks_off_in_the_instant_of_its_answer_gets_its_output_back(
    moment: tuple[RunningGateway, list[Callable[[], None]]],
    simulator: RunningSimulator,
    headers: tuple[str, ...],
) -> None:
    gateway, acts = moment
    model = gateway.serve(simulator.base_url, upstream_model="sim")
    with RawClient(gateway.port, gateway.key) as raw:
        # The gateway's loop has no chance to hear of it before it writes.
        acts.append(raw.reset)
        raw.chat(model, max_tokens=3, headers=headers)
        [correction] = wait_until(lambda: gateway.meter.corrections)

    assert not correction.prompt_too
    assert correction.outcome.counts.output_tokens == 3


def _answering(data: bytes) -> Callable[[EngineSide], None]:
    def script(side: EngineSide) -> None:
        while side.request():
            side.send(data)

    return script
