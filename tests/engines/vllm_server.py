"""Run a real vLLM for the length of a test session, and leave nothing of it behind.

`running_engine()` starts the CPU build from the engine environment on a free port, with
a home and a temporary folder of its own that go when it goes. Where `ENGINE_URL` is
set, the engine there is used instead, and left running.

Failure: a server that ends, or is not healthy in time, raises `EngineDidNotStart` with
the end of its log. Owns: the server's process group and its folder.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.engines.engine import TIMEOUT_SECONDS, Engine
from tests.engines.environment import EngineEnvironment, ensure_environment

SERVED_MODEL = "tiny"
START_SECONDS = 180.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.2
LOG_TAIL_LINES = 40

# One gigabyte of cache and one thread: enough for a model this small, and the machine
# is left to what is being tested.
ENGINE_VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}


class EngineDidNotStart(Exception):
    """The engine ended, or did not answer in time."""


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Yield an engine that answers: the one at `ENGINE_URL`, or one of our own."""
    if url := os.environ.get("ENGINE_URL"):
        yield _engine_at(url, model=os.environ.get("ENGINE_MODEL"))
        return
    environment = ensure_environment()
    # A short name: vLLM puts sockets in here, and their paths have a limit.
    with (
        tempfile.TemporaryDirectory(prefix="tollgate-vllm-") as home,
        _running_vllm(environment, home=Path(home)) as engine,
    ):
        yield engine


def _engine_at(url: str, *, model: str | None) -> Engine:
    base = url.rstrip("/").removesuffix("/v1")
    if not model:
        answer = httpx.get(f"{base}/v1/models", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        model = str(answer.json()["data"][0]["id"])
    return Engine(url=base, model=model)


@contextmanager
def _running_vllm(environment: EngineEnvironment, *, home: Path) -> Iterator[Engine]:
    port = _free_port()
    log = home / "vllm.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(environment, port=port),
            cwd=home,
            env=_variables(home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its own group: the engine core is a child that must go with it.
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process=process, log=log)
        yield Engine(url=url, model=SERVED_MODEL)
    finally:
        _stop(process)


def _command(environment: EngineEnvironment, *, port: int) -> list[str]:
    """Return the `vllm serve` of the journeys; isolated from our own PYTHONPATH."""
    return [
        *(str(environment.python), "-I", "-m", "vllm.entrypoints.cli.main"),
        *("serve", str(environment.model), "--served-model-name", SERVED_MODEL),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16"),
        *("--max-model-len", "1024", "--max-num-seqs", "16", "--enforce-eager"),
        # Without it the answer does not say how much of a prompt came from the cache.
        "--enable-prompt-tokens-details",
    ]


def _variables(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    places = {"HOME": str(home), "TMPDIR": str(home)}
    return kept | places | ENGINE_VARIABLES


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(
    url: str, *, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EngineDidNotStart(f"vLLM ended before it was healthy:\n{_tail(log)}")
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", timeout=TIMEOUT_SECONDS).is_success:
                return
        time.sleep(POLL_SECONDS)
    raise EngineDidNotStart(f"vLLM not healthy in {START_SECONDS} s:\n{_tail(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, wait for its children too, then end what is left.

    The server itself is gone at once; its children still have shared memory to unlink.
    """
    process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=STOP_SECONDS)
    while _lives(group=process.pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _lives(*, group: int) -> bool:
    """Tell whether a process of `group` runs; one that is only not reaped does not."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name before it may hold anything, blanks and brackets included.
            state, _, its_group = status.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])
