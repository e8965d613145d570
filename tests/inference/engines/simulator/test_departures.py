"""Clients that leave, clients that do not read, and a server that goes down."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.engines.simulator import (
    Behaviour,
    SimulatorSettings,
    delivered_tokens,
    serve,
)
from inference.engines.simulator.server import listen
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    events_of,
    open_chat,
    running_simulator,
    text_of,
)

ROOT = Path(__file__).parents[4]
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def slow() -> Iterator[RunningSimulator]:
    """Give a simulator that takes a millisecond per token."""
    with running_simulator(inter_token_ms=1, context_tokens=10_000_000) as running:
        yield running


def close(connection: socket.socket) -> None:
    """Leave with a FIN."""
    connection.close()


def reset(connection: socket.socket) -> None:
    """Leave with a RST."""
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def half_close(connection: socket.socket) -> None:
    """Say that nothing more will be sent, and read on: a goodbye all the same."""
    connection.shutdown(socket.SHUT_WR)
    read_all(connection)
    connection.close()


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection, in whatever way."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Read until `mark` has come."""
    received = bytearray()
    searched = 0
    while received.find(mark, searched) < 0:
        searched = max(0, len(received) - len(mark))
        data = connection.recv(65536)
        assert data
        received += data
    return bytes(received)


@pytest.mark.parametrize("leave", [close, reset, half_close])
def test_a_client_that_leaves_ends_its_stream(
    slow: RunningSimulator, leave: Callable[[socket.socket], None]
) -> None:
    connection = slow.open_chat(stream=True, max_tokens=1_000_000)
    read_until(connection, b'" t5"')
    assert slow.stats()["running"] == 1
    leave(connection)
    stats = slow.await_stats(lambda stats: stats["running"] == 0)
    assert stats["aborted"] == stats["requests"] == 1
    assert stats["prompt_tokens"] == 10
    assert 5 <= stats["generation_tokens"] < 1_000_000
    # Another answer takes its time; the one that was left adds nothing meanwhile.
    assert slow.chat(max_tokens=30).status_code == 200
    assert slow.stats()["generation_tokens"] == stats["generation_tokens"] + 30
    metrics = slow.client.get("/metrics").text
    assert 'finished_reason="abort",model_name="sim"} 0.0' in metrics
    assert 'finished_reason="length",model_name="sim"} 1.0' in metrics
    assert 'num_requests_running{engine="0",model_name="sim"} 0.0' in metrics


def test_a_client_may_leave_an_unpaced_stream(simulator: RunningSimulator) -> None:
    simulator.change(context_tokens=10_000_000)
    connection = simulator.open_chat(stream=True, max_tokens=10_000_000 - 10)
    read_until(connection, b'" t5"')
    connection.close()
    stats = simulator.await_stats(lambda stats: stats["running"] == 0)
    assert stats["aborted"] == 1
    assert stats["generation_tokens"] < 10_000_000 - 10


def test_a_client_that_leaves_before_the_first_token_has_counted_nothing(
    slow: RunningSimulator,
) -> None:
    slow.change(first_token_ms=3_600_000)
    connection = slow.open_chat(stream=True)
    read_until(connection, b"\r\n\r\n")
    connection.close()
    stats = slow.await_stats(lambda stats: stats["running"] == 0)
    assert (stats["requests"], stats["aborted"]) == (1, 1)
    assert (stats["prompt_tokens"], stats["generation_tokens"]) == (0, 0)


def test_an_unstreamed_answer_is_given_up_too(slow: RunningSimulator) -> None:
    connection = slow.open_chat(max_tokens=1_000_000)
    slow.await_stats(lambda stats: stats["generation_tokens"] >= 5)
    connection.close()
    stats = slow.await_stats(lambda stats: stats["running"] == 0)
    assert stats["aborted"] == 1
    assert slow.chat(max_tokens=30).status_code == 200
    assert slow.stats()["generation_tokens"] == stats["generation_tokens"] + 30


def test_a_client_that_does_not_read_does_not_slow_the_engine() -> None:
    # A long name makes long events: far more than the kernel buffers for a socket.
    with running_simulator(model="m" * 10_000) as simulator:
        with simulator.open_chat(stream=True, max_tokens=2000) as connection:
            stats = simulator.await_stats(
                lambda stats: stats["requests"] == 1 and stats["running"] == 0
            )
            assert (stats["generation_tokens"], stats["aborted"]) == (2000, 0)
            received = read_until(connection, b"data: [DONE]")
        assert received.count(b'"delta":{"content":" t') == 2000


def test_too_much_unread_answer_ends_the_stream() -> None:
    with running_simulator(model="m" * 100_000) as simulator:
        connection = simulator.open_chat(stream=True, max_tokens=30_000)
        stats = simulator.await_stats(
            lambda stats: stats["requests"] == 1 and stats["running"] == 0
        )
        assert stats["aborted"] == 1
        # 64 MiB and what the kernel holds, in events of 100 kB.
        assert 600 < stats["generation_tokens"] < 2000
        assert simulator.chat(max_tokens=5).status_code == 200
        assert simulator.stats()["generation_tokens"] == stats["generation_tokens"] + 5
        connection.close()


@contextlib.contextmanager
def simulator_process(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command line on a free port; give the process and its port."""
    command = [sys.executable, "-m", "inference.engines.simulator", "--port", "0"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENV
    )
    with process:
        try:
            assert process.stdout
            announced = re.fullmatch(
                r"simulator: http://127\.0\.0\.1:(\d+) serves sim\n",
                process.stdout.readline(),
            )
            assert announced
            yield process, int(announced[1])
        finally:
            process.kill()


def events_after_a_signal(
    process: subprocess.Popen[str], stream: socket.socket, *, mark: bytes
) -> list[dict[str, Any]]:
    """Signal once `mark` has come; return the events of the stream to its end."""
    received = read_until(stream, mark)
    process.send_signal(signal.SIGTERM)
    while data := stream.recv(65536):
        received += data
    chunks = received.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2]
    return events_of(b"".join(chunks).decode())


@pytest.mark.parametrize("option", [[], ["--finish-with-text"]])
def test_a_signal_ends_streams_with_their_usage(option: list[str]) -> None:
    with (
        simulator_process("--inter-token-ms", "1", *option) as (process, port),
        open_chat(port, max_tokens=30_000) as whole,
        open_chat(port, max_tokens=30_000, **STREAM) as stream,
    ):
        *events, last = events_after_a_signal(process, stream, mark=b'" t5"')
        answer = read_until(whole, b'"metrics":null}')
        assert process.wait(20) == 0
    assert events[-1]["choices"][0]["finish_reason"] == "abort"
    assert last["usage"]["completion_tokens"] == delivered_tokens(text_of(events)) >= 5
    assert b'"finish_reason":"abort"' in answer


def test_a_signal_before_the_first_token_reports_the_prompt() -> None:
    with (
        simulator_process("--first-token-ms", "3600000") as (process, port),
        open_chat(port, **STREAM) as stream,
    ):
        role, end, last = events_after_a_signal(process, stream, mark=b"\r\n\r\n")
        assert process.wait(20) == 0
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert end["choices"][0]["finish_reason"] == "abort"
    assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == (
        10,
        0,
    )


async def _made(client: httpx.AsyncClient) -> tuple[int, int, int]:
    stats = (await client.get("/simulator/stats")).json()
    return stats["requests"], stats["generation_tokens"], stats["running"]


async def test_stopping_drops_a_client_that_does_not_read() -> None:
    settings = SimulatorSettings(port=0, behaviour=Behaviour(model="m" * 10_000))
    sock = listen(settings)
    port = sock.getsockname()[1]
    serving = asyncio.create_task(serve(settings, sock=sock))
    fields: dict[str, Any] = {**STREAM, "max_tokens": 2000}
    made = (1, 2000, 0)
    with await asyncio.to_thread(open_chat, port, **fields) as unread:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            # All is made, and lies unread: far more than the kernel buffers.
            while await _made(client) != made:
                pass
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        # The loop runs on and could still deliver: the end must not come.
        rest = await asyncio.to_thread(read_all, unread)
    assert b"[DONE]" not in rest


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "inference.engines.simulator", "--port", str(port)],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=ENV,
            timeout=20,
        )
    assert ended.returncode == 2
    assert re.fullmatch(r"simulator: .*in use\n", ended.stderr)


def test_no_django_is_loaded() -> None:
    check = (
        "import sys, inference.engines.simulator.cli\n"
        "sys.exit(any(name.partition('.')[0] == 'django' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True, timeout=20)
