"""The gateway as a process: what it loads, and how a signal ends it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from kit.contracts import EventStatus
from tests.databases import Database
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.metered import MODEL, epochs, events, free_port, seed
from tests.inference.gateway.polling import wait_until
from tests.journals import journal_folder

ROOT = Path(__file__).resolve().parents[3]
FORBIDDEN = {"django", "rest_framework", "celery", "stripe"}
# Says which modules were loaded once the gateway has run and stopped.
RUN = """
import json, runpy, sys
try:
    runpy.run_module("config.gateway", run_name="__main__")
finally:
    print(json.dumps(sorted(sys.modules)))
"""


@contextlib.contextmanager
def gateway_process(
    database: Database, *, port: int, drain_ms: int
) -> Iterator["subprocess.Popen[str]"]:
    """Run the gateway in a process of its own until the block ends."""
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
        # What keys were issued with, whatever the environment says by now.
        "KEY_PEPPER": settings.KEY_PEPPER.decode(),
        "DATABASE_URL": database.url_for("owner"),
        "DATABASE_GATEWAY_URL": database.url_for("gateway"),
        "GATEWAY_NAME": "gateway-9",
        "JOURNAL_DIR": str(journal_folder()),
        "PORT": str(port),
        "DRAIN_MS": str(drain_ms),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_until(lambda: _is_ready(port))
        yield process
    finally:
        process.kill()
        process.communicate()


def _is_ready(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_streams_end_and_leaves_nothing_uncommitted(
    fresh_database: Database, simulator: RunningSimulator, number: signal.Signals
) -> None:
    key, port = seed(simulator.base_url).key, free_port()
    simulator.change(inter_token_ms=10, answer_tokens=30_000)
    with (
        gateway_process(fresh_database, port=port, drain_ms=1500) as process,
        RawClient(port, key) as short,
        RawClient(port, key) as endless,
        RawClient(port, key) as leaving,
        RawClient(port, key) as idle,
    ):
        for client in (endless, leaving):
            client.chat(MODEL, stream=True)
            client.read_text(" t2 ")
        short.chat(MODEL, stream=True, max_tokens=50)
        short.read_text(" t2 ")
        process.send_signal(number)
        assert idle.sock.recv(1) == b""
        # Who is impatient changes nothing.
        process.send_signal(number)
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", port))
        leaving.leave()
        whole, cut = short.read(), endless.read()
        output, _ = process.communicate(timeout=15)

    assert process.returncode == 0
    assert whole.is_done
    assert not cut.is_done
    assert cut.chunks[-1]["error"]["code"] == "service_unavailable"
    outputs = {EventStatus(event.status): event.output_tokens for event in events()}
    assert outputs.keys() == {
        EventStatus.OK,
        EventStatus.DRAINED,
        EventStatus.CLIENT_GONE,
    }
    assert outputs[EventStatus.OK] == 50
    assert outputs[EventStatus.DRAINED] == cut.text.count(" t")
    [epoch] = epochs()
    assert (epoch.gateway, epoch.state) == ("gateway-9", "closed")
    assert (epoch.admitted, epoch.settled, epoch.voided) == (3, 3, 0)

    loaded = {name.partition(".")[0] for name in json.loads(output)}
    assert {"inference", "metering", "uvicorn"} <= loaded
    assert not loaded & FORBIDDEN
