"""A client may ask ahead of its answers, and no further than costs us little."""

import contextlib
import re
import socket
import threading

import pytest

from inference.gateway.protocol import AHEAD_MAX, PIPELINED_MAX
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


def _ahead(gateway: RunningGateway) -> int:
    """Return how many requests of a client are not answered."""
    connections = list(gateway.server.server_state.connections)
    return max((len(each.line) for each in connections), default=0)  # type: ignore[union-attr]


def test_many_requests_are_answered_in_their_order(raw: RawClient) -> None:
    kinds = {
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n": 200,
        b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab": 405,
        b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n": 404,
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n": 401,
    }
    raw.sock.sendall(b"".join(kinds) * 30)
    for status in [*kinds.values()] * 30:
        assert raw.read().status == status
    raw.sock.sendall(GET)
    assert raw.read().status == 200


def test_who_never_waits_for_answers_is_not_kept_in_memory(
    gateway: RunningGateway, raw: RawClient
) -> None:
    most = 0
    taken = bytearray()

    def take() -> None:
        try:
            while data := raw.sock.recv(65536):
                taken.extend(data)
        except OSError:
            pass

    reader = threading.Thread(target=take)
    reader.start()
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            raw.sock.sendall(GET * 2000)
            most = max(most, _ahead(gateway))
    reader.join()
    assert most <= AHEAD_MAX
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", taken)
    assert set(statuses) == {b"200"}
    wait_until(lambda: not gateway.server.server_state.connections)


def test_while_many_wait_no_more_is_read_though_some_are_answered(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    raw.sock.sendall(GET)
    assert raw.read().status == 200
    simulator.change(first_token_ms=1_500)
    raw.chat(model, stream=True, max_tokens=1)
    simulator.await_stats(lambda stats: stats["running"] == 1)
    # In two pieces, or all of it is read at once.
    raw.sock.sendall(GET * (PIPELINED_MAX + 1))
    wait_until(lambda: _ahead(gateway) > PIPELINED_MAX)
    raw.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.sock.sendall(GET * 1_000_000)
    assert _ahead(gateway) <= AHEAD_MAX
    raw.reset()
    # A client that is not read is seen to leave when it is written to.
    wait_until(lambda: gateway.meter.outcomes)


def test_a_head_that_is_not_read_is_not_late(simulator: RunningSimulator) -> None:
    with running_gateway(head_s_max=0.2) as gateway:
        model = gateway.serve(simulator.base_url, upstream_model="sim")
        simulator.change(first_token_ms=1_000)
        with RawClient(gateway.port, gateway.key) as raw:
            raw.chat(model, stream=True, max_tokens=1)
            simulator.await_stats(lambda stats: stats["running"] == 1)
            raw.sock.sendall(GET * (PIPELINED_MAX + 1) + GET[:9])
            wait_until(lambda: _ahead(gateway) > PIPELINED_MAX)
            raw.sock.sendall(GET[9:])
            assert raw.read().is_done
            for _ in range(PIPELINED_MAX + 2):
                assert raw.read().status == 200
            raw.sock.shutdown(socket.SHUT_RDWR)
