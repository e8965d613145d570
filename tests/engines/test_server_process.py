"""An engine's server is found, started again on its port, and never outlives us.

A server of the standard library stands in for the engine: what is tested is its keeper.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from config.local.children import LOOPBACK, is_alive
from tests.engines.server_process import (
    EngineDidNotStart,
    ServerProcess,
    ServerProgram,
    running_servers,
)

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20.0

# Starts a server, tells both process ids, and waits to be killed.
KEEPER = """
import sys, time
from pathlib import Path
from tests.engines.server_process import ServerProcess
from tests.engines.test_server_process import file_server
server = ServerProcess(file_server(), home=Path(sys.argv[1]))
server.start()
server.wait_until_healthy()
print(server.pid, flush=True)
time.sleep(3600)
"""


def file_server(*, start_seconds: float = PATIENCE_SECONDS) -> ServerProgram:
    """Return a program that serves its own folder."""

    def _command(port: int) -> list[str]:
        return [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK]

    return ServerProgram(
        name="a server",
        command=_command,
        health="/",
        variables={},
        start_seconds=start_seconds,
    )


def broken_server() -> ServerProgram:
    """Return a program that says why it ends, and ends."""
    return ServerProgram(
        name="a server",
        command=lambda _: [sys.executable, "-c", "raise SystemExit('no such model')"],
        health="/",
        variables={},
        start_seconds=PATIENCE_SECONDS,
    )


def test_servers_answer_inside_the_block_and_are_gone_after_it() -> None:
    with running_servers(file_server(), file_server()) as servers:
        pids = [server.pid for server in servers]
        assert len({server.url for server in servers}) == 2
        for server in servers:
            assert httpx.get(server.url).is_success
    assert not any(map(is_alive, pids))


def test_one_that_was_killed_starts_again_at_its_address(tmp_path: Path) -> None:
    server = ServerProcess(file_server(), home=tmp_path)
    try:
        server.start()
        server.wait_until_healthy()
        pid = server.pid
        server.kill()
        assert not is_alive(pid)
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url)
        server.start()
        server.wait_until_healthy()
        assert server.pid != pid
    finally:
        server.stop()


def test_one_that_ends_shows_what_it_said() -> None:
    with (
        pytest.raises(EngineDidNotStart, match="no such model"),
        running_servers(broken_server()),
    ):
        pass


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    server = ServerProcess(file_server(start_seconds=0), home=tmp_path)
    server.start()
    try:
        with pytest.raises(EngineDidNotStart, match="not healthy"):
            server.wait_until_healthy()
    finally:
        server.stop()


def test_it_goes_when_its_keeper_is_killed(tmp_path: Path) -> None:
    """Even by a signal that leaves the keeper no last word."""
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        pid = int(keeper.stdout.readline())
    assert is_alive(pid)
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_alive(pid):
        assert time.monotonic() < deadline, "the server outlived its keeper"
        time.sleep(0.01)
