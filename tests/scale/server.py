"""A PostgreSQL of the run's own, on the disk and as durable as in production.

Failure: what the server says goes into the exception. Owns: the process and, unless it
is kept, the folder with its data.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db import connections

from config.local.account import open_place
from config.local.children import LOOPBACK, dies_with_parent, free_port
from config.local.postgres import SUPERUSER, installed, make_owner, wait_until_ready
from tests.databases import Database, copy, drop, pointed_at

START_SECONDS_MAX = 60.0
# A machine of 8 GB; what is not said is as PostgreSQL comes.
SETTINGS = {
    "checkpoint_timeout": "15min",
    "max_connections": "60",
    "max_wal_size": "8GB",
    "shared_buffers": "1GB",
    "timezone": "UTC",
    "work_mem": "32MB",
}


@contextlib.contextmanager
def copied(prepared: Database) -> Iterator[Database]:
    """Provide a copy of a database, with every alias of Django pointing at it."""
    connections.close_all()
    database = Database(prepared.server, f"test_{os.getpid()}_{secrets.token_hex(4)}")
    copy(prepared.server, source=prepared.name, name=database.name)
    try:
        with pointed_at(database):
            yield database
    finally:
        drop(prepared.server, name=database.name)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Provide a superuser's address of a new server."""
    parent = open_place() if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(dir=parent, prefix="tollgate-books-"))
    home.chmod(0o755)
    postgres = installed(home / "data")
    postgres.initialise()
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
        wait_until_ready(url, seconds=START_SECONDS_MAX)
        make_owner(url)
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(home, ignore_errors=True)
