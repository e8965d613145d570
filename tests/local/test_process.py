"""One supervised process: real children, killed in every way."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.local.children import is_alive
from config.local.console import Console
from config.local.process import Process, Program, StartError
from config.local.state import State

Start = Callable[..., Awaitable[Process]]

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
CHILD = [sys.executable, "-c", SLEEPER]
PARENT = f"import subprocess; subprocess.Popen({CHILD}); {SLEEPER}"


@pytest.fixture
async def start(state: State) -> AsyncIterator[Start]:
    """Start a Python program under supervision; it is up once it wrote a line."""
    running: list[Process] = []

    async def _start(code: str, **changes: object) -> Process:
        async def _is_up() -> bool:
            log = state.log("child")
            return log.exists() and b"up" in log.read_bytes()

        program = Program(
            name="child",
            command=(sys.executable, "-c", code),
            env=dict(os.environ),
            is_up=_is_up,
            stop_seconds=1.0,
        )
        process = Process(
            replace(program, **changes),  # type: ignore[arg-type]
            state=state,
            console=Console(),
        )
        running.append(process)
        await process.start()
        return process

    yield _start
    for process in running:
        await process.stop()


def pid_of(state: State) -> int:
    return int(state.pid("child").read_text())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process brings about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_process_that_is_killed_comes_back(start: Start, state: State) -> None:
    await start(SLEEPER)
    first = pid_of(state)
    os.kill(first, signal.SIGKILL)
    await until(lambda: state.pid("child").exists() and pid_of(state) != first)
    assert is_alive(pid_of(state))
    assert not is_alive(first)


async def test_one_that_ends_while_starting_is_not_tried_again(
    start: Start, state: State
) -> None:
    with pytest.raises(StartError, match=f"see {state.log('child')}"):
        await start("raise SystemExit('no such thing')")
    assert "no such thing" in state.log("child").read_text()


async def test_stopping_leaves_no_pid_file_and_no_process(
    start: Start, state: State
) -> None:
    process = await start(SLEEPER)
    pid = pid_of(state)
    await process.stop()
    assert not is_alive(pid)
    assert not state.pid("child").exists()


async def test_one_that_will_not_stop_is_killed(start: Start, state: State) -> None:
    process = await start(STUBBORN)
    pid = pid_of(state)
    await process.stop()
    assert not is_alive(pid)


async def test_what_a_process_started_ends_with_it(start: Start, state: State) -> None:
    process = await start(PARENT)
    parent = pid_of(state)
    family = [pid for pid in _processes() if _group(pid) == parent]
    assert len(family) == 2
    await process.stop()
    await until(lambda: not any(is_alive(pid) for pid in family))


async def test_a_line_without_end_does_not_hold_anything_up(
    start: Start, state: State
) -> None:
    await start(f"print('x' * 3_000_000, flush=True); {SLEEPER}")
    await until(lambda: state.log("child").read_bytes().endswith(b"up\n"))
    assert state.log("child").read_bytes().count(b"x") == 3_000_000


async def test_each_start_is_prepared(start: Start, state: State) -> None:
    prepared: list[int] = []
    await start(SLEEPER, prepare=lambda: prepared.append(1))
    os.kill(pid_of(state), signal.SIGKILL)
    await until(lambda: len(prepared) == 2)


async def test_one_that_cannot_be_prepared_is_tried_again(
    start: Start, state: State
) -> None:
    tries: list[int] = []

    def _fail_once() -> None:
        tries.append(1)
        if len(tries) == 2:
            raise OSError("the disk is full for a moment")

    await start(SLEEPER, prepare=_fail_once)
    first = pid_of(state)
    os.kill(first, signal.SIGKILL)
    await until(lambda: state.pid("child").exists() and pid_of(state) != first)
    assert len(tries) == 3


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
