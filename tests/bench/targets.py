"""What stands between the client and the engine: nothing, nginx, the product.

All are in front of one simulator, which numbers its tokens. nginx is the practical
limit of a proxy on one core, and does nothing else; it takes part where it is
installed. Failure: what does not start ends the run with its own words.
"""

import contextlib
import json
import os
import shutil
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
from tests.journeys.product import ROOT, running_product

MODEL = "sim"
DIRECT, NGINX, TOLLGATE = "direct", "nginx", "tollgate"
START_S_MAX = 10.0
POLL_S = 0.05

# The settings that matter are those of the manual's reverse proxy for streams: nothing
# buffered, connections kept. Its temporary folders are here because ours is not /var.
_NGINX_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
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
    gateway_pid: int | None = None
    database_pid: int | None = None


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


def peers() -> list[str]:
    """Return the names of what can be measured on this machine."""
    return [DIRECT, *([NGINX] if shutil.which(NGINX) else []), TOLLGATE]


@contextlib.contextmanager
def running_engine(cores: Cores) -> Iterator[Engine]:
    """Run the simulator on its core."""
    command = [sys.executable, "-m", "inference.engines.simulator", "--port", "0"]
    with _program([*command, "--model", MODEL], stdout=subprocess.PIPE) as process:
        pin(process.pid, cores.engine)
        line = process.stdout.readline().decode() if process.stdout else ""
        words = line.split()
        if len(words) < 2:
            raise BenchError("the simulator does not start")
        yield Engine(urlsplit(words[1]).port or 0, process.pid)


@contextlib.contextmanager
def running(
    names: Sequence[str], engine: Engine, cores: Cores
) -> Iterator[list[Target]]:
    """Run what is to be measured, all at once: only one of them is busy at a time."""
    ways = {DIRECT: _direct, NGINX: _nginx, TOLLGATE: running_tollgate}
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(ways[name](engine, cores)) for name in names]


def _direct(engine: Engine, cores: Cores) -> AbstractContextManager[Target]:
    return contextlib.nullcontext(Target(DIRECT, engine.port))


@contextlib.contextmanager
def _nginx(engine: Engine, cores: Cores) -> Iterator[Target]:
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
        with _program([NGINX, "-p", str(folder), "-c", str(conf)]) as process:
            _wait_for(port, process)
            pin(process.pid, cores.gateway)
            yield Target(NGINX, port, gateway_pid=process.pid)


@contextlib.contextmanager
def running_tollgate(
    engine: Engine, cores: Cores, *, name: str = TOLLGATE, root: Path = ROOT
) -> Iterator[Target]:
    """Run the product as `make up` does, with all that a request costs behind it."""
    settings = {"ENGINE_DIALECT": "vllm", "GATEWAYS": "1"}
    with running_product(engine.url, MODEL, settings, root=root) as product:
        gateway = product.pid("gateway-1")
        pin(gateway, cores.gateway)
        yield Target(
            name,
            urlsplit(product.url).port or 0,
            key=product.api_key,
            gateway_pid=gateway,
            database_pid=product.pid("postgres"),
        )


@contextlib.contextmanager
def _program(
    command: Sequence[str], *, stdout: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    with subprocess.Popen(command, env=environment, stdout=stdout) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S_MAX
    while is_free(LOOPBACK, port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{process.args!r} does not start")
        time.sleep(POLL_S)
