"""The operating-system account that PostgreSQL runs as.

PostgreSQL refuses to run as root. Where we are root, as in most containers, it runs as
`nobody`, which may be unable to enter the checkout (below a home of mode 0700, say).
What it must read or write is then kept under `/var/lib/tollgate`, which only root can
write and everybody can enter.

Failure: no `nobody`, or no place for it, ends with one line that says what to do.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPEN_PLACE = Path("/var/lib/tollgate")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system; `None` is the one that we run as already."""

    uid: int | None = None
    gid: int | None = None

    def popen(self) -> Mapping[str, Any]:
        """Return the arguments that make `subprocess` run a command as this user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, path: Path) -> bool:
        """Tell whether this user can pass through a folder, or run a program."""
        if self.uid is None:
            return os.access(path, os.X_OK)
        test = ["test", "-x", str(path)]
        done = subprocess.run(test, check=False, cwd="/", **self.popen())
        return done.returncode == 0


def service_account() -> Account:
    """Return the account for servers that must not run as root."""
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise SystemExit(
            "tollgate: PostgreSQL cannot run as root and there is no user `nobody`: "
            "start this as an ordinary user, or set DATABASE_URL"
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def runnable(
    folders: Sequence[Path], account: Account, *, program: str, name: str
) -> Path:
    """Return `program` where the account can run it: here, or in an open copy.

    `program` is relative to the folders' parent, in which they find each other. `name`
    says which version this is: a copy of it serves all checkouts.
    """
    home = folders[0].parent
    if account.can_enter(home / program):
        return home / program
    copy = open_place() / "programs" / name
    if not copy.exists():
        copy.parent.mkdir(mode=0o755, exist_ok=True)
        copy.parent.chmod(0o755)
        fresh = Path(tempfile.mkdtemp(dir=copy.parent))
        for folder in folders:
            shutil.copytree(folder, fresh / folder.name, symlinks=True)
        _open_to_all(fresh)
        try:
            fresh.rename(copy)
        except OSError:  # another process was faster; its copy is as good
            shutil.rmtree(fresh)
    return copy / program


def _open_to_all(folder: Path) -> None:
    """Let everybody read what is below, and run what its owner may run."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def open_place() -> Path:
    """Return a folder of root's that every user can enter."""
    try:
        OPEN_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
        OPEN_PLACE.chmod(0o755)
    except OSError as error:
        raise SystemExit(
            f"tollgate: {OPEN_PLACE}: {error.strerror}; PostgreSQL cannot run as root "
            "and needs a folder that others can enter: start this as an ordinary user, "
            "or set DATABASE_URL"
        ) from None
    return OPEN_PLACE
