"""Gateway processes of one installation, each at a port of its own, and one caller.

Failure: one that does not come up fails the test and shows what it logged last.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from django.conf import settings

from config.local.children import free_port
from tests.databases import Database

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
PAUSE_S = 0.002


@dataclass(frozen=True)
class GatewayUnderTest:
    """One process: where it listens, what it logs, a connection that is kept."""

    name: str
    port: int
    log: Path
    client: httpx.Client
    pid: int

    def ask(self, key: str, model: str) -> int:
        """Ask for a short answer; return the status."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 1,
        }
        headers = {"authorization": f"Bearer {key}"}
        path = "/v1/chat/completions"
        return self.client.post(path, json=body, headers=headers).status_code

    def snapshot_version(self) -> float:
        """Return the version of the snapshot that this process says it follows."""
        sample = f'tollgate_snapshot_version{{gateway="{self.name}"}} '
        [line] = [
            line
            for line in self.client.get("/metrics").text.splitlines()
            if line.startswith(sample)
        ]
        return float(line.removeprefix(sample))


@contextlib.contextmanager
def running_gateways(
    database: Database, folder: Path, *, count: int, **settings: str
) -> Iterator[list[GatewayUnderTest]]:
    """Run so many gateway processes until the block ends, ready for requests.

    `settings` are of the environment, such as `REDIS_URL`.
    """
    with contextlib.ExitStack() as stack:
        gateways = [
            stack.enter_context(
                _running(database, folder, f"gateway-{number}", settings)
            )
            for number in range(1, count + 1)
        ]
        for gateway in gateways:
            _await_ready(gateway)
        yield gateways


@contextlib.contextmanager
def _running(
    database: Database, folder: Path, name: str, more: Mapping[str, str]
) -> Iterator[GatewayUnderTest]:
    port, log = free_port(), folder / f"{name}.log"
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}",
        "KEY_PEPPER": settings.KEY_PEPPER.decode(),
        "DATABASE_URL": database.url_for("owner"),
        "DATABASE_GATEWAY_URL": database.url_for("gateway"),
        "GATEWAY_NAME": name,
        "JOURNAL_DIR": str(folder / "journal"),
        "LOG_LEVEL": "DEBUG",
        "PORT": str(port),
        **more,
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "config.gateway"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S
        ) as client,
    ):
        try:
            yield GatewayUnderTest(name, port, log, client, process.pid)
        finally:
            process.kill()


def _await_ready(gateway: GatewayUnderTest) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            if gateway.client.get("/readyz").status_code == httpx.codes.OK:
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"{gateway.name}: {gateway.log.read_text()[-3000:]}")
        time.sleep(0.05)


def seconds_until_all(
    gateways: list[GatewayUnderTest],
    look: Callable[[GatewayUnderTest], bool],
    *,
    after: Callable[[], float],
) -> list[float]:
    """Do something, and return how long each process takes to show it.

    `after` returns the instant, of the monotonic clock, that counts. Every process is
    asked all the time, from before it is done.
    """
    asking = threading.Barrier(len(gateways) + 1)

    def seen(gateway: GatewayUnderTest) -> float:
        assert not look(gateway), f"{gateway.name} shows it beforehand"
        asking.wait(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while not look(gateway):
            assert time.monotonic() < deadline, f"{gateway.name} never shows it"
            time.sleep(PAUSE_S)
        return time.monotonic()

    with ThreadPoolExecutor(len(gateways)) as pool:
        looking = [pool.submit(seen, gateway) for gateway in gateways]
        asking.wait(PATIENCE_S)
        began = after()
        return [max(0.0, each.result() - began) for each in looking]
