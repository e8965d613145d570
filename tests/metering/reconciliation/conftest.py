"""Databases with filled books: filled once a module, a copy for every test."""

import os
import secrets
from collections.abc import Iterator

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.databases import Database, cloned, copy, drop, pointed_at


@pytest.fixture(scope="module")
def filled(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Fill a database's books once, and return its name."""
    # Django's applications are not ready when this module is read.
    from tests.factories.reconciliation import make_books  # noqa: PLC0415

    with django_db_blocker.unblock(), cloned(postgres_server) as database:
        make_books()
        # A database that somebody is connected to cannot be copied.
        connections.close_all()
        yield database.name


@pytest.fixture
def books(
    postgres_server: str, filled: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """Provide a committed database of the test's own with filled books."""
    database = Database(postgres_server, f"test_{os.getpid()}_{secrets.token_hex(4)}")
    copy(postgres_server, source=filled, name=database.name)
    try:
        with django_db_blocker.unblock(), pointed_at(database):
            yield database
    finally:
        drop(postgres_server, name=database.name)
