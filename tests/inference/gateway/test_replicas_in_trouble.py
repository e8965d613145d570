"""Replicas that die, drain or are taken away while a gateway serves from them."""

import threading

import pytest

from inference.routing.breaker import COOL_S, DEATHS_IN_A_ROW, DEATHS_IN_WINDOW
from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import (
    EngineSide,
    ScriptedEngine,
    scripted_engine,
)
from tests.inference.engines.wire import answer, chunk, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.inference.gateway.running import RunningGateway


def serve_well(side: EngineSide) -> None:
    """Answer everything."""
    while side.request():
        side.send(whole(answer(" t1", output=1)))


def ask(gateway: RunningGateway, name: str, *, stream: bool = False) -> int:
    """Ask on a connection of its own; return the status."""
    with RawClient(gateway.port, gateway.key) as client:
        client.chat(name, stream=stream)
        return client.read().status


def add(
    gateway: RunningGateway,
    name: str,
    number: int,
    engine: ScriptedEngine,
    *,
    state: str | None = "active",
) -> None:
    """Publish a replica of a model, or with no state that there is none any more."""
    body = {
        "model": name,
        "name": f"replica-{number}",
        "url": engine.url,
        "dialect": "vllm",
        "upstream_model": name,
        "credential": "",
        "state": state,
    }
    gateway.publish("replica", str(number), body if state else None)


@pytest.mark.parametrize("state", ["draining", "disabled", None])
def test_what_runs_on_a_replica_that_is_given_up_ends_in_peace(
    gateway: RunningGateway, raw: RawClient, state: str | None
) -> None:
    go_on = threading.Event()

    def slowly(side: EngineSide) -> None:
        side.request()
        side.stream(wire.token(1))
        assert go_on.wait(PATIENCE_S)
        side.send(
            *map(chunk, (wire.token(2), wire.finish(2), wire.usage(2), wire.DONE)),
            wire.STREAM_END,
        )

    with scripted_engine(slowly) as first, scripted_engine(serve_well) as second:
        name = gateway.serve()
        add(gateway, name, 900_001, first)
        raw.chat(name, stream=True)
        wait_until(lambda: first.requests)
        add(gateway, name, 900_001, first, state=state)
        add(gateway, name, 900_002, second)
        assert [ask(gateway, name) for _ in range(4)] == [200] * 4
        assert (len(first.requests), len(second.requests)) == (1, 4)
        go_on.set()
        read = raw.read()
        assert (read.is_done, read.text) == (True, " t1 t2")
    for number in (900_001, 900_002):
        gateway.publish("replica", str(number), None)
    assert {each.status for each in gateway.meter.outcomes} == {EventStatus.OK}
    assert gateway.meter.outcomes[-1].replica_id == 900_001


def test_a_dead_replica_is_left_alone_and_then_tried_by_one(
    gateway: RunningGateway,
) -> None:
    is_well = threading.Event()
    trial = threading.Event()

    def die(side: EngineSide) -> None:
        if not is_well.is_set():
            side.request()
            side.reset()
            return
        while side.request():
            assert trial.wait(PATIENCE_S)
            side.send(whole(answer(" t1", output=1)))

    with scripted_engine(die) as broken, scripted_engine(serve_well) as well:
        name = gateway.serve(broken.url)
        # Alone, it is tried again and again, at a bounded rate; nobody hears of it.
        statuses = [ask(gateway, name) for _ in range(DEATHS_IN_A_ROW + 1)]
        assert set(statuses) <= {502, 503}
        met = len(broken.requests)
        add(gateway, name, 900_003, well)
        for _ in range(10):
            assert ask(gateway, name) == 200
        assert len(broken.requests) == met
        is_well.set()
        clients: list[RawClient] = []
        wait_until(
            lambda: has_tried(gateway, name, broken, met, clients), seconds=COOL_S * 9
        )
        # While one tries it, all others are served elsewhere.
        for _ in range(5):
            assert ask(gateway, name) == 200
        assert len(broken.requests) == met + 1
        trial.set()
        for client in clients:
            assert client.read().status == 200
            client.sock.close()
        wait_until(lambda: ask(gateway, name) == 200 and len(broken.requests) > met + 1)
    gateway.publish("replica", "900003", None)
    gateway.reset()


def has_tried(
    gateway: RunningGateway,
    name: str,
    engine: ScriptedEngine,
    met: int,
    clients: list[RawClient],
) -> bool:
    """Tell whether an engine has been asked again; ask once more if it has not."""
    if len(engine.requests) == met:
        client = RawClient(gateway.port, gateway.key)
        client.chat(name)
        clients.append(client)
    return len(engine.requests) > met


def test_streams_that_break_off_are_deaths_too(gateway: RunningGateway) -> None:
    def break_off(side: EngineSide) -> None:
        side.request()
        side.stream(wire.token(1))
        side.reset()

    with scripted_engine(break_off) as broken, scripted_engine(serve_well) as well:
        name = gateway.serve(broken.url)
        # Each has answered, before it died.
        for _ in range(DEATHS_IN_WINDOW):
            ask(gateway, name, stream=True)
        add(gateway, name, 900_004, well)
        assert [ask(gateway, name) for _ in range(6)] == [200] * 6
        assert len(broken.requests) == DEATHS_IN_WINDOW
    gateway.publish("replica", "900004", None)
    gateway.reset()


def test_overload_is_no_death(gateway: RunningGateway) -> None:
    def busy(side: EngineSide) -> None:
        while side.request():
            side.send(whole({"error": {"message": "busy"}}, status=429))

    with scripted_engine(busy) as engine:
        name = gateway.serve(engine.url)
        statuses = [ask(gateway, name) for _ in range(DEATHS_IN_A_ROW * 2)]
        # Each waited for its turn, and was told what the engine said.
        assert set(statuses) == {503}
        assert len(engine.requests) == DEATHS_IN_A_ROW * 2
    gateway.reset()
