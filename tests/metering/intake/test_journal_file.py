"""The file behind a journal: who has its lock, and what is none of ours."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metering.intake.journal_file import (
    HEAD_BYTES,
    SUFFIX,
    JournalError,
    JournalFile,
    journals_in,
)
from metering.intake.slots import SLOT_BYTES


def open_files() -> int:
    """Return how many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_is_locked_until_its_process_is_gone(tmp_path: Path) -> None:
    made = JournalFile.create(tmp_path / "new", gateway="a/b", slots=2)
    assert journals_in(tmp_path / "new") == [made.path]
    assert made.path.name.startswith("a_b.")
    assert made.path.stat().st_size == HEAD_BYTES + 2 * SLOT_BYTES
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
    assert made.head().gateway == "a/b"
    assert JournalFile.claim(made.path) is None
    made.close()
    found = JournalFile.claim(made.path)
    assert found is not None
    assert (found.slots, found.path) == (2, made.path)
    # And now it is locked again.
    assert JournalFile.claim(made.path) is None
    found.remove()
    assert journals_in(tmp_path / "new") == []
    assert JournalFile.claim(made.path) is None


def test_a_killed_process_gives_its_file_up(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from metering.intake.journal_file import JournalFile;"
        "made = JournalFile.create(pathlib.Path(sys.argv[1]), gateway='g', slots=2);"
        "made.map[4500] = 7; print('made', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        [path] = journals_in(tmp_path)
        assert JournalFile.claim(path) is None
        process.kill()
    found = JournalFile.claim(path)
    assert found is not None
    assert found.map[4500] == 7
    found.close()


def test_of_two_who_claim_one_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may be gone between its opening and its lock."""
    path = JournalFile.create(tmp_path, gateway="g", slots=1)
    path.close()
    lock = fcntl.flock

    def removed_meanwhile(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        other = JournalFile.claim(path.path)
        assert other is not None
        other.remove()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    opened = open_files()
    assert JournalFile.claim(path.path) is None
    assert open_files() == opened


def test_a_name_that_another_file_has_by_now_is_not_the_one_that_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = JournalFile.create(tmp_path, gateway="g", slots=1)
    path.close()
    lock = fcntl.flock

    def replaced_meanwhile(descriptor: int, how: int) -> None:
        path.path.write_bytes(path.path.read_bytes())
        copy = tmp_path / "copy"
        copy.write_bytes(path.path.read_bytes())
        copy.rename(path.path)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", replaced_meanwhile)
    assert JournalFile.claim(path.path) is None
    assert path.path.exists()


def whole_file(tmp_path: Path) -> bytes:
    made = JournalFile.create(tmp_path / "whole", gateway="g", slots=2)
    data = bytes(made.map)
    made.remove()
    return data


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", "not whole"),
        (lambda data: b"something else entirely" * 400, "not whole"),
        (lambda data: data[:239], "not whole"),
        (lambda data: data[:10] + b"?" + data[11:], "not whole"),
        (lambda data: data[:-1], "version"),
    ],
)
def test_a_file_that_is_none_of_ours_is_said_so(
    tmp_path: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / f"foreign{SUFFIX}"
    path.write_bytes(spoil(whole_file(tmp_path)))
    opened = open_files()
    with pytest.raises(JournalError, match=reason) as raised:
        JournalFile.claim(path)
    assert str(path) in str(raised.value)
    assert path.exists()
    assert open_files() == opened


def test_a_file_of_another_version_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("metering.intake.journal_file.MAGIC", b"tollgate journal 2")
        data = whole_file(tmp_path)
    path = tmp_path / f"next{SUFFIX}"
    path.write_bytes(data)
    with pytest.raises(JournalError, match="another version"):
        JournalFile.claim(path)


def test_what_cannot_be_opened_is_said_so(tmp_path: Path) -> None:
    """A folder of that name, for one; what else lies there must not be kept from us."""
    (tmp_path / f"folder{SUFFIX}").mkdir()
    with pytest.raises(JournalError, match="directory"):
        JournalFile.claim(tmp_path / f"folder{SUFFIX}")


def test_a_full_disk_stops_the_start_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        assert (start, size) == (0, HEAD_BYTES + 2 * SLOT_BYTES)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    opened = open_files()
    with pytest.raises(JournalError, match=r"No space left.*512 bytes"):
        JournalFile.create(tmp_path, gateway="g", slots=2)
    assert list(tmp_path.iterdir()) == []
    assert open_files() == opened


def test_a_folder_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="give a folder"):
        JournalFile.create(tmp_path / "file", gateway="g", slots=2)
    assert journals_in(tmp_path / "file" / "deeper") == []
    assert journals_in(tmp_path / "nowhere") == []


def test_a_file_half_made_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets its name once it is locked and whole."""
    seen: list[list[Path]] = []
    allocate = os.posix_fallocate

    def look(descriptor: int, start: int, size: int) -> None:
        seen.append(journals_in(tmp_path))
        allocate(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", look)
    made = JournalFile.create(tmp_path, gateway="g", slots=2)
    assert seen == [[]]
    assert [path.name for path in tmp_path.iterdir()] == [made.path.name]
    made.remove()
