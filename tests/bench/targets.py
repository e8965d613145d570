"""What stands between the client and the engine, and the two that are always there.

All are in front of one simulator, which numbers its tokens. nginx is the practical
limit of a proxy on one core, and does nothing else; it takes part where it is
installed. Failure: what does not start ends the run with its own words.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config.local.children import LOOPBACK, free_port, is_free
from tests.bench.machine import Cores, pin
from tests.bench.scenarios import PATH
from tests.journeys.product import ROOT

MODEL = "sim"
DIRECT, NGINX, TOLLGATE = "direct", "nginx", "tollgate"
START_S_MAX = 10.0
POLL_S = 0.05
# Room for a prompt of 100,000 tokens.
CONTEXT_TOKENS = 262_144

# The settings that matter are those of the manual's reverse proxy for streams: nothing
# buffered, connections kept. Its temporary folders are here because ours is not /var.
_NGINX_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    keepalive_requests 1000000;
    upstream engine {{
        server {engine};
        keepalive 512;
        keepalive_requests 1000000;
    }}
    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class BenchError(Exception):
    """The bench cannot run; the text is for whoever started it."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address to measure, and the processes behind it."""

    name: str
    port: int
    key: str = ""
    model: str = MODEL
    path: str = PATH
    gateway_pid: int | None = None
    database_pid: int | None = None
    cache_pid: int | None = None
    # The loads that it is spared, by name.
    left_out: frozenset[str] = frozenset()
    # What its processes held before any load but a first small one.
    resting_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """The running simulator."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Return its address without a path."""
        return f"http://{LOOPBACK}:{self.port}"

    def pace(self, inter_token_ms: float) -> None:
        """Set the time between tokens, from the next request on."""
        request = urllib.request.Request(  # noqa: S310 (an address of our own)
            f"{self.url}/simulator/settings",
            data=json.dumps({"inter_token_ms": inter_token_ms}).encode(),
        )
        with urllib.request.urlopen(request, timeout=START_S_MAX):  # noqa: S310
            pass


@contextlib.contextmanager
def running_engine(cores: Cores) -> Iterator[Engine]:
    """Run the simulator on its core."""
    command = [sys.executable, "-m", "inference.engines.simulator", "--port", "0"]
    command += ["--model", MODEL, "--context-tokens", str(CONTEXT_TOKENS)]
    with program(command, stdout=subprocess.PIPE) as process:
        pin(process.pid, cores.engine)
        line = process.stdout.readline().decode() if process.stdout else ""
        words = line.split()
        if len(words) < 2:
            raise BenchError("the simulator does not start")
        yield Engine(urlsplit(words[1]).port or 0, process.pid)


def direct(engine: Engine, cores: Cores) -> AbstractContextManager[Target]:
    """Measure the engine itself."""
    return contextlib.nullcontext(Target(DIRECT, engine.port))


@contextlib.contextmanager
def nginx(engine: Engine, cores: Cores) -> Iterator[Target]:
    """Run a plain proxy."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as name:
        folder = Path(name)
        # Started as root, its worker is another user, who has to pass.
        folder.chmod(0o711)
        conf = folder / "nginx.conf"
        conf.write_text(
            _NGINX_CONF.format(
                folder=folder,
                engine=f"{LOOPBACK}:{engine.port}",
                host=LOOPBACK,
                port=port,
            )
        )
        with program([NGINX, "-p", str(folder), "-c", str(conf)]) as process:
            wait_for(port, process)
            pin(process.pid, cores.gateway)
            yield Target(NGINX, port, gateway_pid=process.pid)


@contextlib.contextmanager
def program(
    command: Sequence[str], *, stdout: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one of ours, or what takes no offence at where ours are found."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    with subprocess.Popen(command, env=environment, stdout=stdout) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for(
    port: int, process: "subprocess.Popen[bytes]", *, seconds: float = START_S_MAX
) -> None:
    """Return once somebody listens on the port; raises `BenchError`."""
    deadline = time.monotonic() + seconds
    while is_free(LOOPBACK, port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{process.args!r} does not start")
        time.sleep(POLL_S)
