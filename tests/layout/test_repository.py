"""What a fresh clone relies on: lock files with hashes, targets with a line of help."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TARGETS = {"help", "up", "test", "check", "test-engines", "lock", "fmt"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_its_hashes(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if "#" not in line]
    packages = [
        block for block in "\n".join(lines).split("\n") if re.match(r"\S+==", block)
    ]
    assert packages
    assert [line for line in packages if not line.endswith("\\")] == []
    assert lock.read_text().count("--hash=sha256:") >= len(packages)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_address(lock: Path) -> None:
    """Where packages come from is the business of the machine that installs them."""
    assert not re.search(r"://|--(extra-)?index-url|--find-links", lock.read_text())


def test_what_runs_and_what_tests_agree_on_versions() -> None:
    """Both are installed into one environment, one after the other."""
    local, dev = (_pins(ROOT / "requirements" / f"{name}.txt") for name in LOCKED)
    assert local.items() <= dev.items()


LOCKED = ("local", "dev")


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\S+)==(\S+)", lock.read_text(), re.MULTILINE))


def test_every_target_has_a_line_of_help() -> None:
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    listed = dict(re.findall(r"^([a-z-]+) +(\S.*)$", shown, re.MULTILINE))
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert declared is not None
    assert set(listed) == set(declared[1].split()) >= TARGETS


def test_the_build_finds_every_package() -> None:
    """A package that the wheel forgets is found only by whoever installs it."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    packed = set(build["build"]["targets"]["wheel"]["packages"])
    here = {
        str(init.parent.relative_to(ROOT))
        for pattern in ("*/__init__.py", "platform/*/__init__.py")
        for init in ROOT.glob(pattern)
    }
    assert packed == here - {"tests"}


def test_the_whole_data_plane_is_checked_a_second_time() -> None:
    """What the import contracts call the data plane is what pyright reads strictly."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contracts = tools["importlinter"]["contracts"]
    [plane] = [each for each in contracts if "data plane" in each["name"]]
    modules = set(plane["source_modules"])
    paths = {module.replace(".", "/") for module in modules}
    included = {each.removesuffix(".py") for each in tools["basedpyright"]["include"]}
    assert paths <= included
    assert tools["basedpyright"]["typeCheckingMode"] == "strict"
    for included in tools["basedpyright"]["include"]:
        assert (ROOT / included).exists()


def test_hooks_run_the_installed_tools_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    programs = {hook["entry"].split()[0] for hook in hooks}
    assert all(name == "make" or name.startswith(".venv/bin/") for name in programs)


def test_no_virtualenv_is_tracked() -> None:
    """One that is a link would take the place of a real one where it is pulled."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    tracked = subprocess.run(
        ["git", "ls-files", ".venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert tracked.stdout == ""
