"""Who used the machine: cores to stay on, CPU seconds and memory of process trees.

Linux only, from `/proc`. A tree's CPU includes children that have ended, so that a
server which forks for short work cannot hide it.
"""

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat, counted from the state, which is the first after the name.
_REAPED_USER, _REAPED_SYSTEM, _RESIDENT = 13, 14, 21


@dataclass(frozen=True, slots=True)
class Cores:
    """Where each part runs; the gateway has a core of its own where there are two."""

    gateway: frozenset[int]
    client: frozenset[int]
    engine: frozenset[int]
    # For all else: supervisor, databases, workers.
    rest: frozenset[int]

    @classmethod
    def divided(cls) -> "Cores":
        """Divide the cores that this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        gateway, *rest = cores
        client, engine, *_ = (*rest, *rest, gateway, gateway)
        return cls(
            frozenset({gateway}),
            frozenset({client}),
            frozenset({engine}),
            frozenset(rest or cores),
        )

    @property
    def load_is_shared(self) -> bool:
        """Tell whether client and engine have one core between them."""
        return self.client == self.engine


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree has used so far, and the memory it holds now."""

    cpu_s: float = 0.0
    resident_bytes: int = 0


def pin(pid: int, cores: frozenset[int]) -> None:
    """Keep a process, with its threads and children, on these cores."""
    for member in _tree(pid):
        _pin_threads(member, cores)


def pin_alone(cores: frozenset[int]) -> None:
    """Keep this process on these cores, and leave its children where they are."""
    _pin_threads(os.getpid(), cores)


def _pin_threads(pid: int, cores: frozenset[int]) -> None:
    for thread in (_PROC / str(pid) / "task").glob("*"):
        # One that ends meanwhile needs no core.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def open_files() -> None:
    """Let this process, and all that it starts, open as many files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def usage_of(pid: int | None) -> Usage:
    """Return the usage of a process and all below it; nothing where there is none."""
    if pid is None:
        return Usage()
    cpu_s, resident_bytes = 0.0, 0
    for member in _tree(pid):
        fields = _stat(member)
        if fields is None:
            continue
        with contextlib.suppress(OSError):
            # The kernel's name of another process's CPU clock: nanoseconds, not ticks.
            cpu_s += time.clock_gettime((~member << 3) | 2)
        reaped = int(fields[_REAPED_USER]) + int(fields[_REAPED_SYSTEM])
        cpu_s += reaped / _TICKS_PER_S
        resident_bytes += int(fields[_RESIDENT]) * _PAGE_BYTES
    return Usage(cpu_s, resident_bytes)


def busy_s() -> float:
    """Return the CPU seconds that the whole machine has used."""
    fields = (_PROC / "stat").read_text().partition("\n")[0].split()[1:]
    user, nice, system, _idle, _waiting, hard, soft = map(int, fields[:7])
    return (user + nice + system + hard + soft) / _TICKS_PER_S


def _tree(root: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        # One that ends meanwhile has no children any more.
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(pid) / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())


def _stat(pid: int) -> list[bytes] | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name is in brackets and may hold anything, brackets too.
    return stat.rpartition(b")")[2].split()
