"""One PostgreSQL for all test processes of this machine, kept between runs.

Every process that uses it holds a shared lock on a file; the keeper, a process of its
own, stops the server once it can have that lock alone. The kernel gives locks back
however a process ends, so an aborted run leaves nothing behind. The data directory
stays: the next run starts in a fraction of a second and finds its template database.
It lies in memory where there is room, some 200 MB until the machine starts again: a
database is a thousand small files, whose making is most of what a copy takes on a disk.

Set `TEST_DATABASE_URL` to a superuser's address to use a server of your own instead.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from config.local.account import open_place
from config.local.children import LOOPBACK, dies_with_parent, free_port
from config.local.postgres import (
    SUPERUSER,
    Postgres,
    PostgresError,
    installed,
    make_owner,
    wait_until_ready,
)

START_SECONDS_MAX = 60.0
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
# Containers often have 64 MB there; a run needs less than a tenth of this.
MEMORY_BYTES_MIN = 4 * 1024**3
ROOT = Path(__file__).resolve().parents[1]
# Nothing of a test has to survive the machine.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    # What is logged is never read again.
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
}


@contextlib.contextmanager
def running_cluster() -> Iterator[str]:
    """Provide a superuser's address of a running server."""
    own = os.environ.get("TEST_DATABASE_URL")
    if own:
        yield own
        return
    home = own_folder()
    with (home / "users.lock").open("a") as users:
        with _locked(home / "start.lock"):
            # Waits while a keeper that found itself alone is still stopping the server.
            fcntl.flock(users, fcntl.LOCK_SH)
            url = _running(home) or _start(home)
        yield url


def own_folder() -> Path:
    """Return this user's folder for the cluster; PostgreSQL's account can enter."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    age = boot.read_text() if boot.exists() else ""
    mark = hashlib.sha256(f"{age}{sys.prefix}{SETTINGS}".encode()).hexdigest()[:12]
    home = _place() / f"tollgate-tests-{os.geteuid()}-{mark}"
    home.mkdir(mode=0o755, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise SystemExit(f"tollgate: {home} belongs to somebody else")
    return home


def _place() -> Path:
    """Return the folder for the cluster: in memory where that is large enough."""
    with contextlib.suppress(OSError):
        room = os.statvfs(MEMORY)
        # As long as a machine is up the answer must be one: of the size, not the rest.
        if room.f_blocks * room.f_frsize >= MEMORY_BYTES_MIN:
            return MEMORY
    return open_place() if os.geteuid() == 0 else Path(tempfile.gettempdir())


def _running(home: Path) -> str | None:
    """Return the address of the server that a living keeper runs."""
    keeper = home / "keeper.lock"
    with contextlib.suppress(BlockingIOError), keeper.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    with contextlib.suppress(FileNotFoundError):
        return (home / "address").read_text()
    return None


def _start(home: Path) -> str:
    """Start a keeper and return its server's address."""
    with (home / "keeper.log").open("w") as log:
        started = subprocess.run(
            [sys.executable, "-m", "tests.cluster"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
            timeout=START_SECONDS_MAX,
            start_new_session=True,
        )
    if started.returncode:
        raise PostgresError((home / "keeper.log").read_text())
    return (home / "address").read_text()


def leave_a_keeper() -> int:
    """Fork into the keeper and return its exit status, or 0 once its server answers."""
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return 0 if os.read(ready, 1) else 1
    os.close(ready)
    keep(tell)
    return 0


def keep(tell: int) -> None:
    """Run the server until the last process that uses it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    home = own_folder()
    with _locked(home / "keeper.lock"):
        server, url = _serve(installed(home / "data"), home)
        (home / "address").write_text(url)
        os.write(tell, b"1")
        with (home / "users.lock").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            server.send_signal(signal.SIGINT)
            server.wait()
            # While the lock is ours: who comes next must not take it for living.
            (home / "address").unlink()


def _serve(postgres: Postgres, home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server, from an empty directory if the one there does not."""
    for _ in range(2):
        postgres.initialise()
        postgres.clear_leftovers()
        port = free_port()
        with (home / "postgres.log").open("w") as log:
            server = subprocess.Popen(
                postgres.command(port=port, settings=SETTINGS),
                cwd="/",
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(signal.SIGQUIT),  # noqa: PLW1509
                **postgres.account.popen(),
            )
        url = f"postgresql://{SUPERUSER}@{LOOPBACK}:{port}/postgres"
        try:
            wait_until_ready(url, seconds=START_SECONDS_MAX / 3)
        except PostgresError:
            server.kill()
            server.wait()
            shutil.rmtree(postgres.data)
        else:
            make_owner(url)
            _sweep(url)
            return server, url
    raise PostgresError((home / "postgres.log").read_text())


def _sweep(url: str) -> None:
    """Drop the databases of runs that were killed; nobody uses the server yet."""
    with psycopg.connect(url, autocommit=True) as connection:
        left = connection.execute(
            "SELECT datname FROM pg_database WHERE datname ~ '^(test|building)_'"
        ).fetchall()
        for (name,) in left:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(leave_a_keeper())
