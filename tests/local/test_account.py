"""Who PostgreSQL runs as, and that it can run where only root can look."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.account import Account, runnable, service_account
from config.local.postgres import PACKAGE

only_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="an ordinary user runs PostgreSQL as itself"
)


def test_an_ordinary_user_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert service_account() == Account()


@only_root
def test_root_gives_way_to_another_user() -> None:
    account = service_account()
    shown = subprocess.run(
        ["id", "-u"], capture_output=True, text=True, check=True, **account.popen()
    )
    assert int(shown.stdout) == account.uid != 0


@only_root
def test_postgres_runs_out_of_a_folder_that_only_root_can_enter(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = service_account()
    monkeypatch.setattr("config.local.account.OPEN_PLACE", open_folder)
    folders = [tmp_path / folder.name for folder in package_folders()]
    for source, folder in zip(package_folders(), folders, strict=True):
        shutil.copytree(source, folder, symlinks=True, copy_function=_linked)
    assert not account.can_enter(tmp_path)
    for _ in range(2):
        server = runnable(
            folders,
            account,
            program=f"{PACKAGE}/pginstall/bin/postgres",
            name="some-version",
        )
        assert server.is_relative_to(open_folder)
        for program in (server, server.with_name("initdb")):
            subprocess.run(
                [str(program), "--version"], check=True, cwd="/", **account.popen()
            )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Provide a folder that every user can enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def package_folders() -> list[Path]:
    """Return the folders of the installed wheel."""
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None
    package = Path((found.submodule_search_locations or [])[0])
    return [package, package.with_name(f"{PACKAGE}.libs")]


def _linked(source: str, target: str) -> None:
    # The environment may be on another disk than the temporary folder.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
