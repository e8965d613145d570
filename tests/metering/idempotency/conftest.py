"""A committed database for the tests of one module, and a world for each test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.databases import Database, cloned

if TYPE_CHECKING:
    from tests.metering.idempotency.world import World


@pytest.fixture(scope="module")
def database(postgres_server: str, django_db_blocker: object) -> Iterator[Database]:
    """Provide a committed database, in which each test has a tenant of its own."""
    with django_db_blocker.unblock(), cloned(postgres_server) as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def world(database: Database) -> Iterator["World"]:
    """Provide a tenant and a gateway."""
    # Models can be imported only once every application is loaded.
    from tests.metering.idempotency.world import a_world  # noqa: PLC0415

    with a_world(database) as made:
        yield made
