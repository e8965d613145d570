"""One supervised process: started, watched, started again, stopped.

It runs in a session of its own, so that Ctrl-C reaches the supervisor alone, which then
stops things in order. Should the supervisor be killed, the kernel ends it all the same.

Failure: one that does not come up the first time raises `StartError`; later deaths are
answered with a new start, after a pause that grows while it keeps dying.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.local.children import dies_with_parent
from config.local.console import Console, LogFile
from config.local.state import State

START_SECONDS_MAX = 60.0
POLL_SECONDS = 0.05
PAUSE_SECONDS_MIN = 0.2
PAUSE_SECONDS_MAX = 10.0
OUTPUT_SECONDS_MAX = 2.0
LINE_BYTES_MAX = 1024 * 1024


class StartError(Exception):
    """A process could not be started; the text is one line for the operator."""


async def _at_once() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and how to tell that it is up.

    `prepare` runs in a thread before each start. `stop` asks it to end, and after
    `stop_seconds` it is killed; `death` is what the kernel sends when we are gone.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    is_up: Callable[[], Awaitable[bool]] = _at_once
    prepare: Callable[[], None] = lambda: None
    stop: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    death: signal.Signals = signal.SIGKILL
    popen: Mapping[str, Any] = field(default_factory=dict)


class Process:
    """A program under supervision."""

    def __init__(self, program: Program, *, state: State, console: Console) -> None:
        self._program = program
        self._state = state
        self._console = console
        self._running: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, wait until it is up, and keep it up from then on."""
        name = self._program.name
        process = await self._spawn()
        deadline = time.monotonic() + START_SECONDS_MAX
        while not await self._program.is_up():
            if process.returncode is not None:
                said = f"see {self._state.log(name)}"
                raise StartError(f"{name} ended while starting: {said}")
            if time.monotonic() > deadline:
                raise StartError(f"{name} did not come up: see {self._state.log(name)}")
            await asyncio.sleep(POLL_SECONDS)
        self._keeper = asyncio.create_task(self._keep_up())

    async def finish(self) -> int:
        """Run it once to its end and return its exit status."""
        process = await self._spawn()
        status = await process.wait()
        await self._clean_up()
        return status

    async def stop(self) -> None:
        """Ask it to end, and kill it when it takes too long. Idempotent."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        process = self._running
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self._program.stop)
            try:
                await asyncio.wait_for(process.wait(), self._program.stop_seconds)
            except TimeoutError:
                self._console.say(f"{self._program.name} does not stop: killing it")
                self.kill()
                await process.wait()
        await self._clean_up()

    def kill(self) -> None:
        """End it at once; `stop` still has to follow."""
        if self._running is not None and self._running.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._running.kill()

    async def _keep_up(self) -> None:
        pause = PAUSE_SECONDS_MIN
        while True:
            began = time.monotonic()
            ended = await self._end()
            if time.monotonic() - began > PAUSE_SECONDS_MAX:
                pause = PAUSE_SECONDS_MIN
            self._console.say(
                f"{self._program.name} {ended}: starting it again in {pause:.1f} s"
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
            # Whatever keeps it from starting now may be gone at the next try.
            with contextlib.suppress(OSError):
                await self._spawn()

    async def _end(self) -> str:
        """Wait for the end of the running process and say how it came."""
        if self._running is None:
            return "could not be started"
        status = await self._running.wait()
        await self._clean_up()
        return _how_it_ended(status)

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = self._program
        await asyncio.to_thread(program.prepare)
        self._running = await asyncio.create_subprocess_exec(
            *program.command,
            env=program.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_BYTES_MAX,
            start_new_session=True,
            preexec_fn=dies_with_parent(program.death),
            **program.popen,
        )
        self._state.pid(program.name).write_text(f"{self._running.pid}\n")
        self._reader = asyncio.create_task(self._read(self._running))
        return self._running

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Pass on every line that the process writes."""
        name = self._program.name
        log = LogFile(self._state.log(name))
        stream = process.stdout
        with contextlib.closing(log):
            while stream is not None and (line := await _next_line(stream)):
                log.write(line)
                self._console.say(line.decode(errors="replace").rstrip(), name=name)

    async def _clean_up(self) -> None:
        """Forget a process that ended: its helpers too, its pid file and its output."""
        process, self._running = self._running, None
        if process is not None:
            # What it started shares its session; nothing of it may stay behind.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        self._state.pid(self._program.name).unlink(missing_ok=True)
        if self._reader is not None:
            # What it left behind may hold its output open, and is not waited for.
            await asyncio.wait((self._reader,), timeout=OUTPUT_SECONDS_MAX)
            self._reader.cancel()


async def _next_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, or a piece of one that is too long; empty at the end."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as end:
        return end.partial + b"\n" if end.partial else b""
    except asyncio.LimitOverrunError as long:
        return await stream.readexactly(long.consumed) + b"\n"


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
