"""Another replica before the first byte; a kept connection only after a clean end."""

import socket
import threading
from collections.abc import Iterator

import pytest

from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, Script, scripted_engine
from tests.inference.engines.wire import answer, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway


def _serve_well(side: EngineSide) -> None:
    while request := side.request():
        if request.json["stream"]:
            events = (wire.token(1), wire.finish(1), wire.usage(1), wire.DONE)
            side.stream(*events)
            side.send(wire.STREAM_END)
        else:
            side.send(whole(answer(" t1", output=1)))


def _die_before_the_head(side: EngineSide) -> None:
    side.request()
    side.send(b"HTTP/1.1 200")
    side.sock.close()


def _refuse_busy(side: EngineSide) -> None:
    side.request()
    side.send(whole({"error": {"message": "busy"}}, status=503))


def _refuse_wrong(side: EngineSide) -> None:
    side.request()
    side.send(whole({"error": {"message": "wrong"}}, status=400))


@pytest.fixture
def closed_url() -> Iterator[str]:
    """Give an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("first", [None, _die_before_the_head, _refuse_busy])
def test_the_second_replica_serves_when_the_first_does_not(
    gateway: RunningGateway,
    raw: RawClient,
    closed_url: str,
    first: Script | None,
    stream: bool,
) -> None:
    with (
        scripted_engine(first or _serve_well) as broken,
        scripted_engine(_serve_well) as well,
    ):
        urls = (closed_url if first is None else broken.url, well.url)
        # By turns, whatever is still on its way: two requests reach both orders.
        name = gateway.serve(*urls, policy="round_robin")
        for _ in range(2):
            raw.chat(name, stream=stream)
            assert raw.read().status == 200

    served_by = {entry.url: entry.id for entry in gateway.snapshot.replicas.values()}
    outcomes = gateway.meter.outcomes
    assert {outcome.replica_id for outcome in outcomes} == {served_by[well.url]}
    assert {outcome.status for outcome in outcomes} == {EventStatus.OK}
    attempts = [request.header("x-request-id") for request in well.requests]
    assert sorted(attempt[-2:] for attempt in attempts if attempt) == ["-0", "-1"]


def test_with_no_replica_left_the_request_is_void(
    gateway: RunningGateway, raw: RawClient, closed_url: str
) -> None:
    raw.chat(gateway.serve(closed_url, closed_url), stream=True)
    refused = raw.read()

    assert (refused.status, refused.header("retry-after")) == (503, "1")
    assert refused.json["error"]["code"] == "engine_overloaded"
    assert len(gateway.meter.voided) == 1


def test_a_model_without_replicas_is_refused_before_it_is_admitted(
    gateway: RunningGateway, raw: RawClient
) -> None:
    raw.chat(gateway.serve(), stream=True)
    refused = raw.read()

    assert (refused.status, refused.header("retry-after")) == (503, "5")
    assert not gateway.meter.admissions


def test_what_is_wrong_with_the_request_is_not_tried_elsewhere(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_refuse_wrong) as one, scripted_engine(_refuse_wrong) as two:
        raw.chat(gateway.serve(one.url, two.url))
        assert raw.read().status == 400
        assert len(one.requests) + len(two.requests) == 1


def test_a_request_that_breaks_engines_is_not_carried_to_all_of_them(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_die_before_the_head) as engine:
        raw.chat(gateway.serve(*[engine.url] * 5))
        assert raw.read().status == 502
        assert len(engine.requests) == 2

    assert len(gateway.meter.voided) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_one_connection_serves_one_request_after_another(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    with scripted_engine(_serve_well) as engine:
        name = gateway.serve(engine.url)
        for _ in range(5):
            raw.chat(name, stream=stream)
            assert raw.read().status == 200
            # A stream's client has its end before the engine's own has been read.
            wait_until(lambda: not gateway.pool.running)
        assert len(engine.connections) == 1


@pytest.mark.parametrize("late", [False, True])
def test_what_follows_an_answer_on_its_connection_reaches_nobody(
    gateway: RunningGateway, raw: RawClient, late: bool
) -> None:
    """An engine answers twice: at once, or after its connection was kept."""
    send_more = threading.Event()

    def answer_twice(side: EngineSide) -> None:
        while request := side.request():
            mine = request.header("x-request-id")
            assert mine is not None
            extra = whole(answer("of somebody else", output=99))
            if late:
                side.send(whole(answer(mine, output=1)))
                send_more.wait(10)
                side.send(extra)
            else:
                side.send(whole(answer(mine, output=1)), extra)

    with scripted_engine(answer_twice) as engine:
        name = gateway.serve(engine.url)
        for turn in range(3):
            raw.chat(name)
            text = raw.read().json["choices"][0]["message"]["content"]
            assert text == engine.requests[turn].header("x-request-id")
            send_more.set()
            assert engine.connections[-1].ended.wait(10)
        assert len(engine.connections) == 3

    assert [outcome.counts.output_tokens for outcome in gateway.meter.outcomes] == [
        1
    ] * 3


@pytest.mark.parametrize("stream", [True, False])
def test_a_kept_connection_that_is_gone_is_replaced(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    def serve_once(side: EngineSide) -> None:
        request = side.request()
        if side.number == 1:
            assert request is not None
            side.send(whole(answer("x", output=1)))
            # Goes just when the next request comes: nobody could have known.
            side.request()
            return
        assert request is not None
        side.stream(wire.token(1), wire.finish(1), wire.usage(1), wire.DONE)
        side.send(wire.STREAM_END)

    def serve_whole_once(side: EngineSide) -> None:
        side.request()
        side.send(whole(answer("x", output=1)))
        if side.number == 1:
            side.request()

    with scripted_engine(serve_once if stream else serve_whole_once) as engine:
        name = gateway.serve(engine.url)
        raw.chat(name)
        assert raw.read().status == 200
        raw.chat(name, stream=stream)
        assert raw.read().status == 200
        assert len(engine.connections) == 2

    assert not gateway.meter.voided
