"""A database that is empty before each test, a witness, a proxy in front of it."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.databases import Database, cloned
from tests.metering.intake.metered import Witness
from tests.standins.tcp_proxy import TcpProxy

# Not even the owner may empty what is append-only, unless triggers are off.
_EMPTY = """
SET session_replication_role = replica;
TRUNCATE usage_event, usage_correction, usage_epoch, pricing_pricebook, tenants_tenant
RESTART IDENTITY CASCADE
"""


@pytest.fixture(scope="module")
def module_database(
    postgres_server: str, django_db_blocker: object
) -> Iterator[Database]:
    """Provide a committed database to the tests of one module."""
    with django_db_blocker.unblock(), cloned(postgres_server) as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def database(module_database: Database) -> Database:
    """Provide a database without events, prices and tenants."""
    address = urlsplit(module_database.server)._replace(path=f"/{module_database.name}")
    with psycopg.connect(urlunsplit(address), autocommit=True) as connection:
        connection.execute(_EMPTY)
    return module_database


@pytest.fixture
def url(database: Database) -> str:
    """Provide the gateway role's address of the test's database."""
    return database.url_for("gateway")


@pytest.fixture
def witness(database: Database) -> Iterator[Witness]:
    """Provide an onlooker's connection."""
    made = Witness(database)
    yield made
    made.close()


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[TcpProxy]:
    """Provide a proxy in front of the test's database."""
    async with TcpProxy.before(url) as made:
        yield made
