"""An engine environment is whole or absent, built once, and says why it cannot be.

pytest's `-m engines` builds the real one; here the same lock and marker guard a folder
that takes no minutes to make.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.building import (
    MARKER,
    EnvironmentUnavailable,
    built_once,
    cache_root,
    digest,
    step,
)
from tests.engines.llamacpp_environment import check_compilers
from tests.engines.vllm_environment import explain_install

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20.0

# Appends one letter to the tally while it holds the lock, if it is the one to build.
BUILDER = """
import sys
from pathlib import Path
from tests.engines.building import built_once
target, tally = map(Path, sys.argv[1:])
with built_once(target) as missing:
    if missing:
        target.mkdir()
        with tally.open("a") as file:
            file.write("b")
"""

# Builds with one step, which goes on until it is told.
BUILDER_OF_A_STEP = """
import sys
from pathlib import Path
from tests.engines.building import built_once, log_of, step
target, ready, over = map(Path, sys.argv[1:])
wait = "import pathlib, sys, time; ready, over = map(pathlib.Path, sys.argv[1:])\\n"
wait += "ready.touch()\\nwhile not over.exists(): time.sleep(0.01)"
with built_once(target):
    command = [sys.executable, "-c", wait, str(ready), str(over)]
    step("a step", command, log=log_of(target))
"""


def test_what_is_whole_is_not_built_again(tmp_path: Path) -> None:
    target = tmp_path / "engines" / "thing"
    with built_once(target) as missing:
        assert missing
        target.mkdir()
    with built_once(target) as missing:
        assert not missing


def test_what_was_interrupted_is_thrown_away(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    with pytest.raises(EnvironmentUnavailable):
        _build_half(target)
    assert (target / "half").exists()
    assert not (target / MARKER).exists()
    with built_once(target) as missing:
        assert missing
        assert not target.exists()
        target.mkdir()
    assert (target / MARKER).exists()


def test_of_two_builders_one_builds(tmp_path: Path) -> None:
    tally = tmp_path / "tally"
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "thing"), str(tally)]
    builders = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [builder.wait(timeout=30) for builder in builders] == [0, 0, 0]
    assert tally.read_text() == "b"


def test_a_step_that_outlives_its_builder_keeps_the_lock(tmp_path: Path) -> None:
    """Else the next builder would build over what is still being written."""
    target, ready, over = (tmp_path / name for name in ("thing", "ready", "over"))
    command = [
        sys.executable,
        "-c",
        BUILDER_OF_A_STEP,
        *map(str, (target, ready, over)),
    ]
    builder = subprocess.Popen(command, cwd=ROOT)
    _until(ready.exists)
    builder.kill()
    builder.wait()
    with target.with_name("thing.lock").open("w") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        over.touch()
        fcntl.flock(lock, fcntl.LOCK_EX)


def test_a_missing_cpu_torch_points_to_the_way_out() -> None:
    said = (
        "ERROR: Could not find a version that satisfies the requirement "
        "torch==2.13.0+cpu (from versions: 2.12.0, 2.13.0)\n"
        "ERROR: No matching distribution found for torch==2.13.0+cpu\n"
    )
    line = explain_install(said)
    assert "torch==2.13.0+cpu" in line
    assert "ENGINE_URL" in line
    assert "\n" not in line


def test_another_failure_of_pip_keeps_its_own_words() -> None:
    line = explain_install("Collecting x\nERROR: No space left on device\n")
    assert "No space left on device" in line


def test_a_missing_compiler_is_named_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gcc").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentUnavailable, match=r"g\+\+ cannot be found"):
        check_compilers()
    (tmp_path / "g++").touch(mode=0o755)
    check_compilers()


def test_a_step_that_fails_says_why_and_keeps_its_log(tmp_path: Path) -> None:
    log = tmp_path / "thing.log"
    script = "print('first'); print('the reason'); raise SystemExit(1)"
    with pytest.raises(EnvironmentUnavailable, match="the reason") as failure:
        step("a step", [sys.executable, "-c", script], log=log)
    assert str(log) in str(failure.value)
    assert "first\nthe reason\n" in log.read_text()


def test_a_changed_recipe_has_another_name(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    recipe.write_text("one")
    names = {digest(recipe), digest(recipe, words="flag")}
    recipe.write_text("two")
    names.add(digest(recipe))
    assert len(names) == 3


@pytest.mark.parametrize("name", ["vllm", "llamacpp"])
def test_it_needs_only_the_standard_library_and_fails_in_one_line(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tests.engines.environment", name],
        env={**os.environ, "TOLLGATE_CACHE": str(tmp_path / "file" / "cache")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Not a directory" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TOLLGATE_CACHE": "/a/b"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/tollgate"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/tollgate"),
    ],
)
def test_the_cache_is_where_the_user_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("TOLLGATE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_root() == Path(expected)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def _build_half(target: Path) -> None:
    with built_once(target):
        target.mkdir()
        (target / "half").touch()
        raise EnvironmentUnavailable("the network went away")
