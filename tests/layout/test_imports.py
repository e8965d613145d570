"""What a gateway process loads, seen where it counts: in the process itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = ("django", "rest_framework", "celery", "stripe")
LOADED = "import sys; print(*sys.modules, sep='\\n')"


def loaded_by(module: str) -> set[str]:
    """Return the top-level packages in memory once `module` is imported."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}\n{LOADED}"],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "module", ["config.gateway", "config.local.up", "inference.engines.simulator.cli"]
)
def test_no_framework_is_loaded(module: str) -> None:
    assert loaded_by(module).isdisjoint(FRAMEWORKS)


def test_the_witness_would_see_one() -> None:
    assert "django" in loaded_by("kit.orm.roles")
