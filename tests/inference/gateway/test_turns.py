"""A stream that waits for its turn is kept alive, and retried until its first byte."""

import threading

import pytest

from config.local.children import LOOPBACK, free_port
from inference.gateway.turns import WAITING
from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import answer, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

REPLICA = {
    "name": "woken",
    "dialect": "vllm",
    "upstream_model": "",
    "credential": "",
    "state": "active",
}


def _serve(side: EngineSide) -> None:
    while request := side.request():
        if request.json.get("stream"):
            side.stream(wire.token(1), wire.finish(1), wire.usage(1), wire.DONE)
            side.send(wire.STREAM_END)
        else:
            side.send(whole(answer(" t1", output=1)))


def _die_within(side: EngineSide) -> None:
    """Break off with the head sent, of a whole answer also with a part of the body."""
    request = side.request()
    assert request is not None
    if request.json.get("stream"):
        side.send(wire.STREAM_HEAD)
    else:
        side.send(whole(answer(" t1", output=1))[:-9])
    side.sock.close()


@pytest.mark.parametrize("stream", [True, False])
def test_what_breaks_off_before_the_first_byte_is_answered_by_another(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    with scripted_engine(_die_within) as broken, scripted_engine(_serve) as well:
        name = gateway.serve(broken.url, well.url)
        for _ in range(2):
            raw.chat(name, stream=stream)
            read = raw.read()
            assert read.status == 200
            text = (
                read.text if stream else read.json["choices"][0]["message"]["content"]
            )
            assert text == " t1"
        assert broken.requests
    assert [outcome.status for outcome in gateway.meter.outcomes] == [
        EventStatus.OK
    ] * 2


@pytest.mark.parametrize("stream", [True, False])
def test_what_breaks_off_everywhere_is_an_error_and_free(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    with scripted_engine(_die_within) as one, scripted_engine(_die_within) as two:
        raw.chat(gateway.serve(one.url, two.url), stream=stream)
        assert raw.read().status == 502
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert not outcome.counts.input_tokens


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_stream_that_waits_is_kept_alive_by_comments(ends_well: bool) -> None:
    go_on = threading.Event()

    def hold(side: EngineSide) -> None:
        while side.request():
            go_on.wait(10)
            side.stream(wire.token(1), wire.finish(1), wire.usage(1), wire.DONE)
            side.send(wire.STREAM_END)

    with running_gateway(keep_alive_s=0.05) as gateway, scripted_engine(hold) as engine:
        name = gateway.serve(engine.url, slots=1)
        with (
            RawClient(gateway.port, gateway.key) as first,
            RawClient(gateway.port, gateway.key) as second,
        ):
            first.chat(name, stream=True)
            wait_until(lambda: engine.requests)
            second.chat(name, stream=True)
            second.read_until(lambda so_far: WAITING in so_far.body)
            if ends_well:
                go_on.set()
                assert second.read().text == " t1"
            else:
                # Whoever waits leaves nothing behind.
                second.leave()
                wait_until(lambda: gateway.meter.voided)
                go_on.set()
            assert first.read().text == " t1"
        wait_until(lambda: len(gateway.meter.settled) == 1 + ends_well)
        assert len(gateway.meter.voided) == 1 - ends_well


@pytest.mark.parametrize("stream", [True, False])
def test_who_finds_nobody_there_waits_until_somebody_is(stream: bool) -> None:
    """Nobody has told yet that the replica is gone: the request finds out itself."""
    dead = f"http://{LOOPBACK}:{free_port()}"
    with running_gateway(keep_alive_s=0.6) as gateway, scripted_engine(_serve) as woken:
        name = gateway.serve(dead, wake_ms=30_000)
        with RawClient(gateway.port, gateway.key) as client:
            client.chat(name, stream=stream)
            if stream:
                # Vain tries between do not keep the comments from coming.
                client.read_until(lambda so_far: WAITING in so_far.body)
            else:
                wait_until(lambda: gateway.meter.admissions)
            gateway.publish(
                "replica", "9999", {**REPLICA, "model": name, "url": woken.url}
            )
            read = client.read()
        assert read.status == 200
        assert gateway.meter.voided == []
        assert woken.requests


def test_who_finds_nobody_there_is_told_at_once_where_none_wakes(
    gateway: RunningGateway, raw: RawClient
) -> None:
    raw.chat(gateway.serve(f"http://{LOOPBACK}:{free_port()}"), stream=True)
    assert raw.read().status == 503
    wait_until(lambda: gateway.meter.voided)
