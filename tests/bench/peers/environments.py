"""Where the peers are: a virtualenv each, out of the checkout, from locks with hashes.

A lock lies here as NAME.txt and is made by hand with `uv pip compile
--generate-hashes`; litellm's leaves out and loosens what `litellm-overrides.txt` says,
which its proxy does not need for this. Failure: `EnvironmentUnavailable` from an
installation; what is not installed is merely not measured. Owns: `peers/` in Tollgate's
cache.
"""

from pathlib import Path

from tests.engines.building import (
    MARKER,
    built_once,
    cache_root,
    digest,
    locked_version,
    log_of,
    make_virtualenv,
    pip_install,
    step,
)

PEERS = ("vllm-router", "sglang-router", "tensorzero", "litellm")
_HERE = Path(__file__).resolve().parent


def programs(name: str) -> Path | None:
    """Return the folder of a peer's programs; nothing where it is not installed."""
    folder = folder_of(name)
    return folder / "bin" if (folder / MARKER).exists() else None


def version(name: str) -> str:
    """Return the version of a peer that is locked."""
    return locked_version(_lock(name), name)


def install(name: str) -> Path:
    """Install a peer unless it is there; return the folder of its programs.

    Raises `EnvironmentUnavailable`. Idempotent, and safe in two processes.
    """
    folder = folder_of(name)
    with built_once(folder) as missing:
        if missing:
            python = make_virtualenv(folder)
            step(
                f"install {name}", pip_install(python, _lock(name)), log=log_of(folder)
            )
    return folder / "bin"


def folder_of(name: str) -> Path:
    """Return where a peer is installed, or would be."""
    return cache_root() / "peers" / f"{name}-{version(name)}-{digest(_lock(name))}"


def _lock(name: str) -> Path:
    return _HERE / f"{name}.txt"
