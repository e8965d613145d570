"""The engine environment is whole or absent, built once, and says why it cannot be.

pytest's `-m engines` builds the real one; here the same lock and marker guard a folder
that takes no minutes to make.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.environment import (
    MARKER,
    EnvironmentUnavailable,
    built_once,
    cache_root,
    explain_install,
)

ROOT = Path(__file__).parents[2]

# Appends one letter to the tally while it holds the lock, if it is the one to build.
BUILDER = """
import sys
from pathlib import Path
from tests.engines.environment import built_once
target, tally = map(Path, sys.argv[1:])
with built_once(target) as missing:
    if missing:
        target.mkdir()
        with tally.open("a") as file:
            file.write("b")
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


def test_it_needs_only_the_standard_library_and_fails_in_one_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            str(ROOT / "tests" / "engines" / "environment.py"),
        ],
        env={**os.environ, "TOLLGATE_CACHE": str(tmp_path / "file" / "cache")},
        cwd=tmp_path,
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


def _build_half(target: Path) -> None:
    with built_once(target):
        target.mkdir()
        (target / "half").touch()
        raise EnvironmentUnavailable("the network went away")
