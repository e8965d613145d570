"""A change of the schema holds up nobody for long: it tries again."""

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands.migrate import Command as Migrate
from django.db import OperationalError
from pytest_django import DjangoDbBlocker

from config.management.commands import migrate
from tests.databases import Database, cloned, pointed_at

# Going back there drops this table.
BEFORE = ("control", "0019_own_keys_seen")
HELD = "LOCK TABLE control_refusal IN ACCESS SHARE MODE"
IS_THERE = "SELECT to_regclass('control_refusal') IS NOT NULL"


@pytest.fixture
def reader(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[psycopg.Connection]:
    """Provide a session that reads a table; Django's are on its database."""
    with (
        django_db_blocker.unblock(),
        cloned(postgres_server) as database,
        pointed_at(database),
        psycopg.connect(_owner(database)) as session,
    ):
        session.execute(HELD)
        yield session


def _owner(database: Database) -> str:
    return database.url_for("owner")


def is_there(session: psycopg.Connection) -> bool:
    """Tell whether the table is still there."""
    with session.cursor() as cursor:
        cursor.execute(IS_THERE)
        (found,) = cursor.fetchone() or (False,)
    return bool(found)


def test_a_table_in_use_is_tried_again(
    reader: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        reader.rollback()

    monkeypatch.setattr(migrate, "sleep", pause)
    call_command("migrate", *BEFORE, verbosity=0)
    assert pauses == [migrate.PAUSE_S]
    assert "trying again" in capsys.readouterr().err
    assert not is_there(reader)


def test_one_that_is_never_free_ends_it_in_words(
    reader: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_S", 0.0)
    with pytest.raises(CommandError, match="in use for too long"):
        call_command("migrate", *BEFORE, verbosity=0)
    reader.rollback()
    assert is_there(reader)


def test_one_that_others_wait_for_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[Exception | None] = [OperationalError("deadlock detected"), None]
    tries[0].__cause__ = psycopg.errors.DeadlockDetected()  # type: ignore[union-attr]

    def once(*args: object, **options: object) -> None:
        if error := tries.pop(0):
            raise error

    monkeypatch.setattr(Migrate, "handle", once)
    monkeypatch.setattr(migrate, "sleep", lambda seconds: None)
    migrate.Command().handle()
    assert not tries
