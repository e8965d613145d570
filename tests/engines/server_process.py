"""Run one engine's server as a process group, and leave nothing of it behind.

It ends with the block that started it, and with us: the kernel passes our death on, so
that a pytest that is killed leaves no engine. Failure: a server that ends, or is not
healthy in time, raises `EngineDidNotStart` with the end of its log. Owns: the process
group, and a folder for its files that goes with it.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.local.children import LOOPBACK, dies_with_parent, free_port

ANSWER_SECONDS = 30.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.2
LOG_TAIL_LINES = 40


class EngineDidNotStart(Exception):
    """The engine ended, or did not answer in time."""


@dataclass(frozen=True)
class ServerProgram:
    """How a server is started; `command` is told its port.

    `health` is a path that answers with success once it can be used.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    health: str
    variables: Mapping[str, str]
    start_seconds: float


class ServerProcess:
    """A server on a port of its own, which it keeps when it is started again."""

    def __init__(self, program: ServerProgram, *, home: Path) -> None:
        self._program = program
        self._home = home
        self._port = free_port()
        self.log = home / "server.log"
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its base URL."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """Return the id of its first process, which names the group too."""
        if self._running is None:
            raise RuntimeError("the server does not run")
        return self._running.pid

    def start(self) -> None:
        """Start it; it may take its time to answer, see `wait_until_healthy`."""
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self._program.command(self._port),
                cwd=self._home,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Its own group: what it starts must go with it.
                start_new_session=True,
                # Asked to end, an engine takes its own children along. Between fork
                # and exec this makes one system call, which no thread can disturb.
                preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )

    def wait_until_healthy(self) -> None:
        """Return once it answers; raises `EngineDidNotStart`."""
        name, process = self._program.name, self._running
        deadline = time.monotonic() + self._program.start_seconds
        while time.monotonic() < deadline:
            if process is None or process.poll() is not None:
                raise EngineDidNotStart(f"{name} ended at once:\n{self._tail()}")
            with suppress(httpx.TransportError):
                path = f"{self.url}{self._program.health}"
                if httpx.get(path, timeout=ANSWER_SECONDS, trust_env=False).is_success:
                    return
            time.sleep(POLL_SECONDS)
        raise EngineDidNotStart(f"{name} is not healthy in time:\n{self._tail()}")

    def pause(self) -> None:
        """Let it do nothing, its connections left open, as a machine that hangs."""
        os.killpg(self.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """End it with all it started, as a machine that fails would."""
        process, self._running = self._running, None
        if process is not None:
            _kill_group(process)
            process.wait()

    def stop(self) -> None:
        """Ask it to end, wait for its children too, then end what is left. Idempotent.

        The server itself is gone at once; its children still have shared memory to
        unlink.
        """
        process, self._running = self._running, None
        if process is None:
            return
        process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)
        while _lives(group=process.pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        _kill_group(process)
        process.wait()

    def _variables(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ
        }
        places = {"HOME": str(self._home), "TMPDIR": str(self._home)}
        return kept | places | dict(self._program.variables)

    def _tail(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])


@contextmanager
def running_servers(*programs: ServerProgram) -> Iterator[list[ServerProcess]]:
    """Start servers side by side, yield them once all are healthy, and stop them."""
    # A short name: servers put sockets in here, and their paths have a limit.
    with tempfile.TemporaryDirectory(prefix="tollgate-engines-") as home:
        servers = []
        for number, program in enumerate(programs):
            folder = Path(home) / str(number)
            folder.mkdir()
            servers.append(ServerProcess(program, home=folder))
        try:
            for server in servers:
                server.start()
            for server in servers:
                server.wait_until_healthy()
            yield servers
        finally:
            for server in servers:
                server.stop()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _lives(*, group: int) -> bool:
    """Tell whether a process of `group` runs; one that is only not reaped does not."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name before it may hold anything, blanks and brackets included.
            state, _, its_group = status.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False
