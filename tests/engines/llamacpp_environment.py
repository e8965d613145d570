"""Build what a real llama.cpp server needs: compiled for this machine, and a model.

llama.cpp comes from PyPI as source and is compiled here, with cmake and ninja that come
from PyPI too; a C and a C++ compiler have to be there. Failure:
`EnvironmentUnavailable`, which names what is missing. How a folder is built once and
whole: `tests.engines.building`.
"""

import os
import shutil
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
ROOT = HERE.parents[1]
# What compiles it is locked apart: it has to be there before the rest is looked at.
LOCKED_BUILD_TOOLS = HERE / "llamacpp-build.txt"
LOCKED_REQUIREMENTS = HERE / "llamacpp.txt"
BUILD_SETTINGS = HERE / "llamacpp-build.cmake"
MODEL_RECIPE = HERE / "wordy_model.py"
# The model's vocabulary is made of these, so it changes with them.
TOKENIZER = (
    ROOT / "inference/tokenizers/ranks/cl100k_base.tiktoken.xz",
    ROOT / "inference/tokenizers/shipped.py",
    ROOT / "inference/tokenizers/encodings.py",
)
MODEL_FILE = "wordy.gguf"

SOURCE_PACKAGE = "llama-cpp-python"
COMPILERS = ("gcc", "g++")
PROCESSES_MAX = 2
# For any x86-64 machine of the last ten years, so that a cache may move between hosts;
# nothing of the host is linked in, nor what only images and downloads need.
CMAKE_ARGS = "-DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF"

INSTEAD = "leave its journeys out with ARGS='-k \"not llamacpp\"'"


@dataclass(frozen=True)
class LlamaCppEnvironment:
    """Where a built environment lies; `model` is a GGUF file."""

    python: Path
    model: Path


def ensure_llamacpp() -> LlamaCppEnvironment:
    """Build what is not there yet, and return where it is.

    Raises `EnvironmentUnavailable`. Idempotent, and safe to call from two processes.
    """
    version = locked_version(LOCKED_REQUIREMENTS, SOURCE_PACKAGE)
    root = engines_root()
    made_of = digest(
        LOCKED_BUILD_TOOLS, LOCKED_REQUIREMENTS, BUILD_SETTINGS, words=CMAKE_ARGS
    )
    virtualenv = root / f"llamacpp-{version}-{made_of}"
    model = (
        root / f"wordy-llama-{digest(LOCKED_REQUIREMENTS, MODEL_RECIPE, *TOKENIZER)}"
    )
    python = virtualenv / "bin" / "python"
    with built_once(virtualenv) as missing:
        if missing:
            check_compilers()
            make_virtualenv(virtualenv)
            _install_build_tools(python)
            _compile(python, version=version)
    with built_once(model) as missing:
        if missing:
            model.mkdir()
            step(
                f"wordy model {model}",
                [str(python), "-I", str(MODEL_RECIPE), str(model / MODEL_FILE)],
                log=log_of(model),
            )
    return LlamaCppEnvironment(python=python, model=model / MODEL_FILE)


def check_compilers() -> None:
    """Raise `EnvironmentUnavailable` where there is no compiler, before it matters."""
    missing = [name for name in COMPILERS if shutil.which(name) is None]
    if missing:
        raise EnvironmentUnavailable(
            f"llama.cpp is compiled on this machine, and {' and '.join(missing)} "
            f"cannot be found (Debian: apt-get install g++); {INSTEAD}."
        )


def _install_build_tools(python: Path) -> None:
    step(
        "cmake and ninja",
        pip_install(python, LOCKED_BUILD_TOOLS),
        log=log_of(python.parents[1]),
        explain=_explain,
    )


def _compile(python: Path, *, version: str) -> None:
    """Install the lock, whose one source distribution is compiled on the way.

    Without isolation: pip would fetch build tools of its own choice, unlocked.
    """
    step(
        f"llama.cpp ({SOURCE_PACKAGE} {version}), compiled here (3 to 10 minutes)",
        [
            *pip_install(python, LOCKED_REQUIREMENTS),
            *("--no-binary", SOURCE_PACKAGE, "--no-build-isolation", "--no-cache-dir"),
        ],
        log=log_of(python.parents[1]),
        variables={
            # The build looks for cmake and ninja on the path.
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "CC": COMPILERS[0],
            "CXX": COMPILERS[1],
            "CMAKE_ARGS": f"{CMAKE_ARGS} -DCMAKE_PROJECT_INCLUDE={BUILD_SETTINGS}",
            "CMAKE_BUILD_PARALLEL_LEVEL": str(min(PROCESSES_MAX, os.cpu_count() or 1)),
        },
        explain=_explain,
    )


def _explain(output: str) -> str:
    return f"llama.cpp was not built: {last_line(output)}; {INSTEAD}"
