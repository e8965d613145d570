"""A peer that runs in front of the engine, on the gateway's core.

Failure: one that does not start ends the run, with the last words of its log.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from config.local.children import free_port
from tests.bench.machine import Cores, pin
from tests.bench.peers.environments import programs
from tests.bench.peers.recipes import LEFT_OUT, Ports, Recipe, recipe
from tests.bench.targets import MODEL, POLL_S, BenchError, Engine, Target, wait_for

_SAID_CHARS_MAX = 2_000


@contextlib.contextmanager
def running_peer(name: str, engine: Engine, cores: Cores) -> Iterator[Target]:
    """Run a peer that is installed."""
    found = programs(name)
    if found is None:
        raise BenchError(
            f"{name} is not installed: python -m tests.bench.peers install"
        )
    ports = Ports(free_port(), free_port())
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        how = recipe(
            name,
            programs=found,
            folder=Path(folder),
            engine=engine.url,
            ports=ports,
            model=MODEL,
        )
        with _started(how, Path(folder)) as (process, log):
            try:
                port = _port(how, ports, process, log)
            except BenchError as error:
                said = log.read_text(errors="replace")[-_SAID_CHARS_MAX:]
                raise BenchError(f"{name}: {error}: {said}") from None
            pin(process.pid, cores.gateway)
            yield Target(
                name,
                port,
                key=how.key,
                model=how.model or MODEL,
                path=how.path,
                gateway_pid=process.pid,
                left_out=LEFT_OUT.get(name, frozenset()),
            )


@contextlib.contextmanager
def _started(
    how: Recipe, folder: Path
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    for name, text in how.files.items():
        (folder / name).write_text(text)
    # Nothing of ours: a peer has packages of its own.
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            how.command,
            cwd=folder,
            env={**kept, **how.variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process, log
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


def _port(
    how: Recipe, ports: Ports, process: "subprocess.Popen[bytes]", log: Path
) -> int:
    if not how.says_where:
        wait_for(ports.requests, process, seconds=how.start_s_max)
        return ports.requests
    deadline = time.monotonic() + how.start_s_max
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("http://") and (port := urlsplit(line).port):
                return port
        time.sleep(POLL_S)
    raise BenchError("it does not say where it listens")
