"""A migration that was killed while it made an index can be run again."""

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from config.local.postgres import OWNER as OWNER_ROLE
from kit.orm.roles import OWNER
from tests.databases import Database, cloned, pointed_at

BEFORE = ("collection", "0018_failed_at")
NAME = "standing_failed_lately"
_WHOLE = f"CREATE INDEX {NAME} ON collection_standing (failure)"
_IS_INVALID = f"""
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{NAME}'::regclass
"""
_DEFINITION = f"""
    SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index
     WHERE indexrelid = '{NAME}'::regclass
"""


@pytest.fixture
def database(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """Provide a database of one's own."""
    with django_db_blocker.unblock(), cloned(postgres_server) as database:
        yield database


@pytest.mark.parametrize("left", [(_WHOLE,), (_WHOLE, _IS_INVALID)])
def test_what_a_killed_attempt_left_is_in_no_ones_way(
    postgres_server: str, database: Database, left: tuple[str, ...]
) -> None:
    with pointed_at(database):
        call_command("migrate", *BEFORE, verbosity=0)
        with psycopg.connect(
            postgres_server, dbname=database.name, autocommit=True
        ) as root:
            for statement in left:
                root.execute(statement)
            root.execute(f"ALTER INDEX {NAME} OWNER TO {OWNER_ROLE}")
        with connections[OWNER].cursor() as session:
            call_command("migrate", BEFORE[0], verbosity=0)
            session.execute(_DEFINITION)
            is_valid, definition = session.fetchone()
    assert is_valid
    assert "failed_at DESC" in definition


def test_an_index_is_added_and_dropped_however_long_that_waits(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with pointed_at(database):
        call_command("sqlmigrate", "collection", "0019", database=OWNER)
    printed = [line for line in capsys.readouterr().out.splitlines() if ";" in line]
    said = [line for line in printed if not line.startswith("--")]
    is_of_index = ["INDEX" in line for line in said]
    assert is_of_index == [False, True, True, False, False, True, False]
    assert said[0] == said[4] == "SET lock_timeout = 0;"
    assert said[3] == said[6] == "RESET lock_timeout;"
