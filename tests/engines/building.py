"""Build, once per machine, what an engine needs: the folder, the lock and the steps.

What is built lies outside the checkout and is named by a digest of what it is made
from, so that every clone shares it and a changed recipe makes a new one. A virtualenv
cannot be renamed (its scripts name their interpreter), so each folder is built in its
final place under a lock and is whole only once its marker is written, last: whatever
was interrupted is thrown away and built again.

Failure: one line that says what is missing, and the log of the step beside the folder.
Owns: `engines/` in Tollgate's cache. Needs nothing but the standard library.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

MARKER = ".complete"
# Somebody who watches a build is told this often that it still goes on.
PROGRESS_SECONDS = 20.0


class EnvironmentUnavailable(Exception):
    """The engine environment cannot be had on this machine."""


def engines_root() -> Path:
    """Return the folder of all engine environments."""
    return cache_root() / "engines"


def cache_root() -> Path:
    """Return the folder in which Tollgate keeps what outlives a checkout."""
    if own := os.environ.get("TOLLGATE_CACHE"):
        return Path(own).expanduser().resolve()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().resolve() / "tollgate"


@contextmanager
def built_once(target: Path) -> Iterator[bool]:
    """Yield whether the body must build `target`; mark it whole if the body returns.

    The lock is the kernel's: it is free once the builder and all its steps are gone,
    however they went.
    """
    if (target / MARKER).exists():
        yield False
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        # The steps hold it too: one that outlives us still writes into the folder.
        os.set_inheritable(lock.fileno(), True)
        _take(lock.fileno(), target=target)
        # Another process may have built it while this one waited.
        missing = not (target / MARKER).exists()
        if missing:
            shutil.rmtree(target, ignore_errors=True)
        yield missing
        (target / MARKER).touch()


def _take(lock: int, *, target: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{target} is being built by another process: waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)


def make_virtualenv(virtualenv: Path) -> Path:
    """Make an empty virtualenv of this interpreter and return its own."""
    step(
        f"virtualenv {virtualenv}",
        [sys.executable, "-I", "-m", "venv", str(virtualenv)],
        log=log_of(virtualenv),
    )
    return virtualenv / "bin" / "python"


def pip_install(python: Path, requirements: Path) -> list[str]:
    """Return pip's command for a whole lock file.

    `--no-deps`: the lock is complete, and leaves out on purpose what would break a
    machine without a GPU.
    """
    return [
        *(str(python), "-I", "-m", "pip", "--disable-pip-version-check"),
        *("install", "--quiet", "--no-deps", "--only-binary", ":all:"),
        *("--require-hashes", "--requirement", str(requirements)),
    ]


def step(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    variables: Mapping[str, str] | None = None,
    explain: Callable[[str], str] | None = None,
) -> None:
    """Run one step of a build, its output to `log`, and say how it goes.

    Raises `EnvironmentUnavailable` with what `explain` makes of its output.
    """
    started = time.monotonic()
    with _progress(name):
        done = subprocess.run(
            command,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            # Only what was made inheritable is passed on: the lock of `built_once`.
            close_fds=False,
        )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode:
        reason = (explain or last_line)(done.stdout)
        raise EnvironmentUnavailable(f"{reason} (log: {log}).")
    say(f"{name}: {time.monotonic() - started:.0f} s")


@contextmanager
def _progress(name: str) -> Iterator[None]:
    """Say now and then that a step still goes on."""
    over, started = threading.Event(), time.monotonic()

    def _watch() -> None:
        while not over.wait(PROGRESS_SECONDS):
            say(f"{name}: going on, {time.monotonic() - started:.0f} s")

    watcher = threading.Thread(target=_watch, name="build progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def last_line(output: str) -> str:
    """Return the last thing that a program said."""
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def log_of(target: Path) -> Path:
    """Return the log of what was done to build `target`, beside it."""
    return target.with_name(f"{target.name}.log")


def locked_version(requirements: Path, name: str) -> str:
    """Return the version of `name` that a lock file pins."""
    lock = requirements.read_text(encoding="utf-8")
    pinned = re.search(rf"^{re.escape(name)}==([^\s;\\]+)", lock, flags=re.M)
    if pinned is None:
        raise EnvironmentUnavailable(f"{requirements} does not pin {name}.")
    return pinned[1]


def digest(*files: Path, words: str = "") -> str:
    """Return a short name for the contents of files, and for words beside them."""
    total = hashlib.sha256(words.encode())
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:12]


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"engine environment: {line}\n")
    sys.stdout.flush()
