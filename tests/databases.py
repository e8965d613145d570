"""Migrated databases for tests: one template per set of migrations, and its clones.

The template's name carries a hash of everything that shapes a schema, so that a later
run finds it and a changed migration makes a new one. It also carries the month, as a
schema has partitions for the month it is made in. Two processes that miss it at once
build it twice, and the second build is thrown away.
"""

import contextlib
import datetime as dt
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from config.local.postgres import OWNER
from kit.orm.atomic import cursor
from kit.orm.roles import as_operator
from tests.cluster import MEMORY

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES_KEPT = 6
# Tests tell of these months whenever they are run. Their events have partitions too, as
# have those of this month and the next, for which a migration makes them.
MONTHS_TOLD = [dt.date(2026, month, 1) for month in (9, 10, 11, 12)]
Role = Literal["owner", "app", "operator", "gateway"]
ALIASES: dict[str, Role] = {
    "default": "app",
    "operator": "operator",
    "owner": "owner",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A committed database with the whole schema; `server` is a superuser's address."""

    server: str
    name: str

    def url_for(self, role: Role) -> str:
        """Return the address at which this role logs in."""
        parts = urlsplit(self.server)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(
            parts._replace(netloc=f"tollgate_{role}@{host}", path=f"/{self.name}")
        )


@contextlib.contextmanager
def cloned(server: str) -> Iterator[Database]:
    """Provide a clone of the template, with every alias of Django pointing at it."""
    template = _template(server)
    database = Database(
        server=server, name=f"test_{os.getpid()}_{secrets.token_hex(4)}"
    )
    copy(server, source=template, name=database.name)
    try:
        with pointed_at(database):
            yield database
    finally:
        drop(server, name=database.name)


def empty(server: str) -> Database:
    """Make a database in which nothing is; whoever asks for it drops it."""
    name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
    _execute(
        server,
        sql.SQL("CREATE DATABASE {} OWNER {}").format(
            *map(sql.Identifier, (name, OWNER))
        ),
    )
    return Database(server=server, name=name)


def copy(server: str, *, source: str, name: str) -> None:
    """Make a database like `source`, to which nobody may be connected."""
    _execute(
        server,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY {}").format(
            *map(sql.Identifier, (name, source, OWNER)), sql.SQL(_strategy(server))
        ),
    )


def drop(server: str, *, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    _execute(
        server,
        sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)),
    )


@cache
def _strategy(server: str) -> Literal["file_copy", "wal_log"]:
    """Return the faster way to copy: whole files in memory, pages on a disk."""
    with psycopg.connect(server) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    in_memory = row is not None and Path(row[0]).is_relative_to(MEMORY)
    return "file_copy" if in_memory else "wal_log"


@contextlib.contextmanager
def pointed_at(database: Database) -> Iterator[None]:
    """Point every alias of Django at the database for a while."""
    before = {alias: dict(connections.settings[alias]) for alias in ALIASES}
    connections.close_all()
    for alias, role in ALIASES.items():
        parts = urlsplit(database.url_for(role))
        connections.settings[alias].update(
            NAME=database.name,
            USER=parts.username,
            HOST=parts.hostname,
            PORT=str(parts.port),
        )
    try:
        yield
    finally:
        connections.close_all()
        for alias, settings in before.items():
            connections.settings[alias].update(settings)


@cache
def _template(server: str) -> str:
    """Return the name of a database that holds the migrated schema and nothing else."""
    name = f"template_{dt.datetime.now(dt.UTC):%Y_%m}_{schema_mark()}"
    if _exists(server, name):
        return name
    building = f"building_{os.getpid()}_{secrets.token_hex(4)}"
    identifier = sql.Identifier(building)
    _execute(
        server,
        sql.SQL("CREATE DATABASE {} OWNER {}").format(
            identifier, sql.Identifier(OWNER)
        ),
    )
    with pointed_at(Database(server=server, name=building)):
        call_command("migrate", verbosity=0, interactive=False)
        with as_operator(), cursor() as session:
            for month in MONTHS_TOLD:
                session.execute("SELECT usage_make_partition(%s)", [month])
    try:
        _execute(
            server,
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                identifier, sql.Identifier(name)
            ),
        )
    except psycopg.errors.DuplicateDatabase:
        _execute(server, sql.SQL("DROP DATABASE {}").format(identifier))
    _drop_old_templates(server)
    return name


def schema_mark() -> str:
    """Return a hash of all that a migration depends on."""
    files = [
        *ROOT.glob("*/**/migrations/*.py"),
        *ROOT.glob("platform/kit/orm/*.py"),
        # The groups that each migration puts in place.
        ROOT / "platform" / "config" / "groups.py",
        ROOT / "requirements" / "dev.txt",
    ]
    content = hashlib.sha256()
    for file in sorted(path for path in files if ".venv" not in path.parts):
        content.update(
            file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes()
        )
    return content.hexdigest()[:16]


def _exists(server: str, name: str) -> bool:
    with psycopg.connect(server, autocommit=True) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [name]
        )
        return found.fetchone() is not None


def _drop_old_templates(server: str) -> None:
    """Drop all but the newest templates."""
    with psycopg.connect(server, autocommit=True) as connection:
        old = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'template\\_%%'"
            " ORDER BY oid DESC OFFSET %s",
            [TEMPLATES_KEPT],
        ).fetchall()
        for (name,) in old:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
            )


def _execute(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)
