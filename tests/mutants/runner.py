"""Run a module's tests on a mutant, in a fork of this process.

What is slow to load is loaded once, before the first fork; the module itself, and all
that may have taken names from it, only in the child. A mutant that its tests do not
finish with in time counts as killed: a loop without an end is noticed, too.
"""

import ast
import enum
import importlib.abc
import importlib.machinery
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings

from tests import conftest

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60.0
_AFRESH = ("metering.intake", "metering.pricing.components", "tests")


class Fate(enum.StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    LATE = "timeout"
    SURVIVED = "survived"


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree instead of its file."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree

    def find_spec(
        self, fullname: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for the one module."""
        if fullname != self.name:
            return None
        origin = str(ROOT / f"{fullname.replace('.', '/')}.py")
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=origin)
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the tree."""
        exec(compile(self.tree, str(module.__file__), "exec"), module.__dict__)  # noqa: S102


def load() -> None:
    """Load once what every run needs."""
    os.chdir(ROOT)
    sys.dont_write_bytecode = True
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    conftest.pytest_configure()
    # The same examples for each mutant; what fails need not be made small.
    settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )


def run(
    name: str,
    tree: ast.Module,
    tests: Sequence[str],
    *,
    seconds_max: float = SECONDS_MAX,
) -> Fate:
    """Run the tests on this tree in the module's place."""
    child = os.fork()
    if not child:
        _become(name, tree, tests)
    descriptor = os.pidfd_open(child)
    try:
        has_ended, _, _ = select.select([descriptor], [], [], seconds_max)
        if not has_ended:
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    if not has_ended:
        return Fate.LATE
    is_green = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    return Fate.SURVIVED if is_green else Fate.KILLED


def _become(name: str, tree: ast.Module, tests: Sequence[str]) -> None:
    """Be the child: run the tests and exit with what they say."""
    status = 3
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        if "MUTANTS_SHOW" not in os.environ:
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
        for loaded in [*sys.modules]:
            if loaded.startswith(_AFRESH):
                del sys.modules[loaded]
        sys.meta_path.insert(0, _Mutated(name, tree))
        status = int(
            pytest.main(
                [
                    *(
                        "-x",
                        "-q",
                        "-n0",
                        "--tb=short",
                        "-pno:randomly",
                        "--assert=plain",
                    ),
                    *("-pno:cacheprovider", "--hypothesis-profile=mutants"),
                    *tests,
                ]
            )
        )
    except BaseException:
        # What the interpreter would have said of it.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def seconds(name: str, source: str, tests: Sequence[str]) -> float:
    """Return how long the tests take on the module as it is; they must be green."""
    began = time.monotonic()
    fate = run(name, ast.parse(source), tests, seconds_max=600)
    if fate is not Fate.SURVIVED:
        raise SystemExit(f"the tests of {name} are not green on it as it is")
    return time.monotonic() - began
