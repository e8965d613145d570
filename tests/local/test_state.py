"""STATE_DIR: what is kept, who may read it, who may use it."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.local.children import LOOPBACK
from config.local.state import SECRETS, State, read_env, write_env

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("postgres", "valkey", "web")


def test_secrets_are_made_once_and_kept(state: State) -> None:
    made = state.secrets()
    assert set(made) == set(SECRETS)
    assert len(set(made.values())) == len(SECRETS)
    assert all(len(secret) >= 32 for secret in made.values())
    assert state.secrets() == made


def test_only_its_owner_reads_a_file_of_secrets(state: State) -> None:
    state.secrets()
    mode = (state.root / "secrets.env").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "some.env"
    write_env(file, {"A": "1", "B": "x=y"})
    write_env(file, {"B": "x=z"})
    assert read_env(file) == {"B": "x=z"}
    assert list(tmp_path.iterdir()) == [file]


def test_ports_differ_and_are_remembered(state: State) -> None:
    chosen = state.ports(PORTS)
    assert len(set(chosen.values())) == len(PORTS)
    assert state.ports(PORTS) == chosen


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(state: State) -> None:
    before = state.ports(PORTS)
    with socket.socket() as other:
        other.bind((LOOPBACK, before["web"]))
        after = state.ports(PORTS)
    assert after["web"] != before["web"]
    assert after["postgres"] == before["postgres"]


def test_a_second_supervisor_is_told_of_the_first(state: State) -> None:
    code = f"""
from pathlib import Path
from config.local.state import State
with State(Path({str(state.root)!r})).locked():
    raise AssertionError("two at once")
"""
    with state.locked():
        second = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(ROOT / "platform")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"is in use by process {os.getpid()}" in second.stderr


def test_pid_files_of_a_killed_run_are_forgotten(state: State) -> None:
    state.pid("web").write_text("4194304\n")
    with state.locked():
        assert not state.pid("web").exists()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root starts servers as another user"
)
def test_data_moves_out_of_a_folder_its_user_cannot_enter(tmp_path: Path) -> None:
    from config.local.account import service_account  # noqa: PLC0415

    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = State(closed / "state")
    account = service_account()
    data = state.postgres_data(account)
    try:
        assert account.can_enter(data.parent)
        assert state.postgres_data(account) == data
    finally:
        data.parent.rmdir()
