"""A PostgreSQL of the test's own, to be frozen, killed and started again.

It has the migrated schema of another database, copied by `pg_dump`, and keeps what it
confirmed: it is killed, not shut down. Owns: its processes and its data directory.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from config.local.account import open_place
from config.local.children import LOOPBACK, dies_with_parent, free_port
from config.local.postgres import (
    OWNER,
    SUPERUSER,
    Postgres,
    installed,
    make_database,
    make_owner,
    wait_until_ready,
)
from kit.orm.isolation import ROLES
from tests.databases import Database

NAME = "own"
START_SECONDS_MAX = 30.0
# A crash of the server, not of the machine, is what the tests are about.
SETTINGS = {"fsync": "off", "autovacuum": "off", "shared_buffers": "16MB"}


@dataclass(slots=True)
class OwnCluster:
    """A server that the test may do anything to."""

    postgres: Postgres
    port: int
    _server: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def database(self) -> Database:
        """Return its one database."""
        return Database(server=self._address("postgres"), name=NAME)

    def start(self) -> None:
        """Start the server; it recovers from whatever it went through."""
        self.postgres.clear_leftovers()
        self._server = subprocess.Popen(
            self.postgres.command(port=self.port, settings=SETTINGS),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=dies_with_parent(signal.SIGQUIT),  # noqa: PLW1509
            **self.postgres.account.popen(),
        )
        wait_until_ready(self._address("postgres"), seconds=START_SECONDS_MAX)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._server is not None:
            self.thaw()
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
            self._server = None

    def freeze(self) -> None:
        """Stop every process of the server; its sockets stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let every process go on."""
        self._signal(signal.SIGCONT)

    def copy_schema(self, source: Database) -> None:
        """Create roles and the database with the schema of another one."""
        make_owner(self._address("postgres"))
        make_database(self._address("postgres"), NAME)
        with psycopg.connect(self._address(NAME), autocommit=True) as connection:
            for role in ROLES:
                connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}".encode())
        dump = subprocess.run(
            [
                *(str(self.postgres.programs / "pg_dump"), "--schema-only"),
                source.url_for("owner").replace("tollgate_owner@", f"{SUPERUSER}@"),
            ],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [str(self.postgres.programs / "psql"), "-qX", self._address(NAME)],
            check=True,
            input=dump.stdout,
            stdout=subprocess.DEVNULL,
        )

    def _address(self, name: str) -> str:
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.port}/{name}"

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            for pid in (self._server.pid, *_children(self._server.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)


@contextlib.contextmanager
def own_cluster(source: Database) -> Iterator[OwnCluster]:
    """Provide a running cluster with the schema of `source`."""
    parent = open_place() if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(dir=parent, prefix="tollgate-own-"))
    home.chmod(0o755)
    cluster = OwnCluster(installed(home / "data"), free_port())
    try:
        cluster.postgres.initialise()
        cluster.start()
        cluster.copy_schema(source)
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(home)


def _children(parent: int) -> list[int]:
    """Return the processes whose parent this one is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found
